//! Lists: filters, order, pages, and which fields are shown.

use std::cmp::Ordering;

use checkpoint_core::time::Timestamp;
use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value, json};

use super::endpoint::{Call, Reply};
use super::failure::Failure;
use super::schema::{Access, Field};

/// How many entries a page has unless the client says.
const PAGE: usize = 100;
/// What every list takes besides filters.
pub(super) const COMMON: [&str; 6] = ["limit", "offset", "ordering", "fields", "exclude_fields", "q"];

/// The filters that follow from a type's fields: name and schema of each.
pub(super) fn filters(fields: &[Field]) -> Vec<(String, Value)> {
    let mut filters = Vec::new();
    for field in fields.iter().filter(|field| field.access != Access::Write) {
        let name = &field.name;
        let one = match (field.type_name(), field.format()) {
            ("string", "date-time") => json!({"type": "string", "format": "date-time"}),
            ("string" | "integer" | "boolean", _) => json!({"type": field.type_name()}),
            _ => continue,
        };
        for operator in operators(field) {
            let schema = match *operator {
                "__in" | "__range" => json!({"type": "array", "items": one}),
                "__isnull" => json!({"type": "boolean"}),
                _ => one.clone(),
            };
            filters.push((format!("{name}{operator}"), schema));
        }
    }
    if fields.iter().any(|field| field.name == "pulp_labels") {
        filters.push(("pulp_label_select".into(), json!({"type": "string"})));
    }
    filters
}

fn operators(field: &Field) -> &'static [&'static str] {
    match (field.type_name(), field.format()) {
        ("boolean", _) => &[""],
        ("string", "uri") => &["", "__in"],
        ("string", "date-time") | ("integer", _) => {
            &["", "__gt", "__gte", "__lt", "__lte", "__ne", "__in", "__range", "__isnull"]
        }
        _ => &[
            "",
            "__in",
            "__ne",
            "__contains",
            "__icontains",
            "__startswith",
            "__istartswith",
            "__regex",
            "__iregex",
            "__iexact",
        ],
    }
}

/// What a list request asks for beyond its own parameters.
pub(super) struct Query {
    filters: Vec<Filter>,
    ordering: Vec<(String, bool)>,
    limit: usize,
    offset: usize,
    fields: Vec<String>,
    exclude: Vec<String>,
}

struct Filter {
    field: String,
    test: Test,
}

enum Test {
    Is(Value),
    IsNot(Value),
    OneOf(Vec<Value>),
    Contains(String, bool),
    StartsWith(String, bool),
    Matches(Regex),
    SameLetters(String),
    Compares(fn(Ordering) -> bool, Value),
    Between(Value, Value),
    IsNull(bool),
    Labels(Vec<Label>),
}

enum Label {
    Has(String),
    Lacks(String),
    Is(String, String),
    IsNot(String, String),
    Contains(String, String),
}

impl Query {
    /// Reads the parameters of a request; those that `taken` names are not filters but have been dealt with.
    pub(super) fn read(call: &Call, fields: &[Field], taken: &[&str]) -> Result<Query, Failure> {
        let mut query = Query {
            filters: Vec::new(),
            ordering: Vec::new(),
            limit: PAGE,
            offset: 0,
            fields: Vec::new(),
            exclude: Vec::new(),
        };
        for (name, value) in &call.query {
            match name.as_str() {
                "limit" => query.limit = count(name, value)?.max(1),
                "offset" => query.offset = count(name, value)?,
                "ordering" => query.ordering = ordering(value, fields)?,
                "fields" => query.fields.extend(value.split(',').map(str::to_owned)),
                "exclude_fields" => query.exclude.extend(value.split(',').map(str::to_owned)),
                "q" => return Err(Failure::field("q", "Filter expressions are not supported.")),
                "pulp_label_select" if fields.iter().any(|field| field.name == "pulp_labels") => {
                    let test = Test::Labels(labels(value)?);
                    query.filters.push(Filter { field: "pulp_labels".into(), test });
                }
                name if taken.contains(&name) => {}
                _ => query.filters.push(filter(call, name, value, fields)?),
            }
        }
        Ok(query)
    }

    /// Reads the parameters of a request about one entity: which of its fields are shown.
    pub(super) fn read_one(call: &Call) -> Result<Query, Failure> {
        Query::read(call, &[], &["limit", "offset"])
    }

    /// Whether entries have to be looked at one by one before a page can be cut out.
    pub(super) fn needs_all(&self) -> bool {
        !self.filters.is_empty() || !self.ordering.is_empty()
    }

    /// The one value that a field has to have.
    pub(super) fn only(&self, field: &str) -> Option<&str> {
        let mut tests = self.filters.iter().filter(|filter| filter.field == field);
        tests.find_map(|filter| match &filter.test {
            Test::Is(value) => value.as_str(),
            _ => None,
        })
    }

    /// The part of `count` entries that is the page.
    pub(super) fn page(&self, count: usize) -> std::ops::Range<usize> {
        let start = self.offset.min(count);
        start..(start.saturating_add(self.limit)).min(count)
    }

    /// Whether an entry passes all filters.
    pub(super) fn keeps(&self, entry: &Value) -> bool {
        self.filters.iter().all(|filter| filter.test.holds(&entry[&filter.field]))
    }

    /// The answer with a page of all of these.
    pub(super) fn answer(&self, call: &Call, mut entries: Vec<Value>) -> Reply {
        entries.retain(|entry| self.keeps(entry));
        for (field, descending) in self.ordering.iter().rev() {
            entries.sort_by(|left, right| {
                let order = compare(&left[field], &right[field]);
                if *descending { order.reverse() } else { order }
            });
        }
        let count = entries.len();
        let page = entries.drain(self.page(count)).collect();
        self.answer_page(call, count, page)
    }

    /// The answer with a page that was cut out already.
    pub(super) fn answer_page(&self, call: &Call, count: usize, page: Vec<Value>) -> Reply {
        let results: Vec<Value> = page.into_iter().map(|entry| self.shown(entry)).collect();
        let after = self.offset.saturating_add(self.limit);
        let next = (after < count).then(|| call.page_url(self.limit, after));
        let previous =
            (self.offset > 0).then(|| call.page_url(self.limit, self.offset.saturating_sub(self.limit)));
        Reply::ok(json!({"count": count, "next": next, "previous": previous, "results": results}))
    }

    /// The fields of an entry that the client wants to see.
    pub(super) fn shown(&self, entry: Value) -> Value {
        let Value::Object(entry) = entry else { return entry };
        let wanted = |name: &String| {
            (self.fields.is_empty() || self.fields.contains(name)) && !self.exclude.contains(name)
        };
        Value::Object(entry.into_iter().filter(|(name, _)| wanted(name)).collect::<Map<_, _>>())
    }
}

fn count(name: &str, value: &str) -> Result<usize, Failure> {
    value.parse().map_err(|_| Failure::field(name, "A valid integer is required."))
}

fn ordering(value: &str, fields: &[Field]) -> Result<Vec<(String, bool)>, Failure> {
    let mut ordering = Vec::new();
    for part in value.split(',').filter(|part| !part.is_empty()) {
        let (name, descending) = part.strip_prefix('-').map_or((part, false), |name| (name, true));
        let name = if name == "pk" { "pulp_href" } else { name };
        if !fields.iter().any(|field| field.name == name) {
            return Err(Failure::field(
                "ordering",
                format!("Select a valid choice. {part} is not one of the available choices."),
            ));
        }
        ordering.push((name.to_owned(), descending));
    }
    Ok(ordering)
}

fn filter(call: &Call, parameter: &str, value: &str, fields: &[Field]) -> Result<Filter, Failure> {
    let unknown = || Failure::field("errors", format!("Invalid Filter: '{parameter}'"));
    let (name, operator) = match parameter.find("__") {
        Some(at) => parameter.split_at(at),
        None => (parameter, ""),
    };
    let field = fields
        .iter()
        .find(|field| field.name == name && field.access != Access::Write)
        .ok_or_else(unknown)?;
    if !operators(field).contains(&operator) || !matches!(field.type_name(), "string" | "integer" | "boolean")
    {
        return Err(unknown());
    }
    let one = |text: &str| typed(call, parameter, field, text);
    let many = || value.split(',').map(one).collect::<Result<Vec<_>, _>>();
    let regex = |fold| {
        let built = RegexBuilder::new(value).case_insensitive(fold).size_limit(1 << 20).build();
        built.map(Test::Matches).map_err(|_| Failure::field(parameter, "Enter a valid regular expression."))
    };
    let test = match operator {
        "" => Test::Is(one(value)?),
        "__ne" => Test::IsNot(one(value)?),
        "__in" => Test::OneOf(many()?),
        "__contains" => Test::Contains(value.to_owned(), false),
        "__icontains" => Test::Contains(value.to_lowercase(), true),
        "__startswith" => Test::StartsWith(value.to_owned(), false),
        "__istartswith" => Test::StartsWith(value.to_lowercase(), true),
        "__regex" => regex(false)?,
        "__iregex" => regex(true)?,
        "__iexact" => Test::SameLetters(value.to_lowercase()),
        "__gt" => Test::Compares(Ordering::is_gt, one(value)?),
        "__gte" => Test::Compares(Ordering::is_ge, one(value)?),
        "__lt" => Test::Compares(Ordering::is_lt, one(value)?),
        "__lte" => Test::Compares(Ordering::is_le, one(value)?),
        "__isnull" => Test::IsNull(truth(parameter, value)?),
        _ => {
            let ends = many()?;
            let [from, to] = &ends[..] else {
                return Err(Failure::field(parameter, "Two values are needed."));
            };
            Test::Between(from.clone(), to.clone())
        }
    };
    Ok(Filter { field: name.to_owned(), test })
}

fn typed(call: &Call, parameter: &str, field: &Field, text: &str) -> Result<Value, Failure> {
    match field.type_name() {
        "integer" => {
            text.parse::<i64>().map(Value::from).map_err(|_| Failure::field(parameter, "Enter a number."))
        }
        "boolean" => truth(parameter, text).map(Value::Bool),
        _ if field.format() == "date-time" => match instant(text) {
            Some(time) => Ok(json!(time)),
            None => Err(Failure::field(parameter, "Enter a valid date/time.")),
        },
        _ if field.format() == "uri" => Ok(json!(call.href(text))),
        _ => Ok(json!(text)),
    }
}

fn truth(parameter: &str, text: &str) -> Result<bool, Failure> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Failure::field(parameter, "Must be a valid boolean.")),
    }
}

/// A time as entities show it, from what a client may write.
fn instant(text: &str) -> Option<String> {
    moment(text).map(|time| time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
}

/// A time in whole seconds, from what a client may write.
pub(super) fn timestamp(text: &str) -> Option<Timestamp> {
    moment(text).map(|time| Timestamp::from_unix(time.and_utc().timestamp()))
}

fn moment(text: &str) -> Option<chrono::NaiveDateTime> {
    use chrono::{DateTime, NaiveDate, NaiveDateTime};
    let text = text.trim().replace(' ', "T");
    let parsed = DateTime::parse_from_rfc3339(&text).map(|time| time.naive_utc()).ok();
    let parsed = parsed
        .or_else(|| NaiveDateTime::parse_from_str(text.trim_end_matches('Z'), "%Y-%m-%dT%H:%M:%S%.f").ok());
    parsed.or_else(|| NaiveDateTime::parse_from_str(text.trim_end_matches('Z'), "%Y-%m-%dT%H:%M").ok());
    parsed.or_else(|| NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))
}

/// `key`, `!key`, `key=value`, `key!=value`, `key~part`, with commas between them: all have to hold.
fn labels(value: &str) -> Result<Vec<Label>, Failure> {
    let wrong = || Failure::field("pulp_label_select", format!("'{value}' is not a label selection."));
    let is_key =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_-. /".contains(c));
    let mut labels = Vec::new();
    for term in value.split(',').map(str::trim) {
        let pair = |separator: &str| {
            term.split_once(separator).map(|(key, value)| (key.to_owned(), value.to_owned()))
        };
        let label = if let Some((key, value)) = pair("!=") {
            Label::IsNot(key, value)
        } else if let Some((key, value)) = pair("=") {
            Label::Is(key, value)
        } else if let Some((key, value)) = pair("~") {
            Label::Contains(key, value)
        } else if let Some(key) = term.strip_prefix('!') {
            Label::Lacks(key.to_owned())
        } else {
            Label::Has(term.to_owned())
        };
        let key = match &label {
            Label::Has(key) | Label::Lacks(key) => key,
            Label::Is(key, _) | Label::IsNot(key, _) | Label::Contains(key, _) => key,
        };
        if !is_key(key) {
            return Err(wrong());
        }
        labels.push(label);
    }
    Ok(labels)
}

impl Label {
    fn holds(&self, labels: &Value) -> bool {
        let value = |key: &String| labels.get(key).map(|value| value.as_str().unwrap_or_default());
        match self {
            Label::Has(key) => value(key).is_some(),
            Label::Lacks(key) => value(key).is_none(),
            Label::Is(key, wanted) => value(key) == Some(wanted),
            Label::IsNot(key, wanted) => value(key).is_some_and(|value| value != wanted),
            Label::Contains(key, part) => value(key).is_some_and(|value| value.contains(part.as_str())),
        }
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        let text = || value.as_str().unwrap_or_default();
        let folded = |fold: bool| if fold { text().to_lowercase() } else { text().to_owned() };
        match self {
            Test::Is(wanted) => value == wanted,
            Test::IsNot(wanted) => value != wanted,
            Test::OneOf(all) => all.contains(value),
            Test::Contains(part, fold) => folded(*fold).contains(part.as_str()),
            Test::StartsWith(part, fold) => folded(*fold).starts_with(part.as_str()),
            Test::Matches(regex) => value.is_string() && regex.is_match(text()),
            Test::SameLetters(wanted) => text().to_lowercase() == *wanted,
            Test::Compares(holds, wanted) => !value.is_null() && holds(compare(value, wanted)),
            Test::Between(from, to) => {
                !value.is_null() && compare(value, from).is_ge() && compare(value, to).is_le()
            }
            Test::IsNull(wanted) => value.is_null() == *wanted,
            Test::Labels(labels) => labels.iter().all(|label| label.holds(value)),
        }
    }
}

fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left.as_f64().unwrap_or(0.0).total_cmp(&right.as_f64().unwrap_or(0.0))
        }
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        _ => left.to_string().cmp(&right.to_string()),
    }
}
