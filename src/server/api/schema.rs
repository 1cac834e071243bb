//! Fields of entities: their JSON schemas, and bodies held against them.

use checkpoint_core::plugin::RestFields;
use schemars::{JsonSchema, schema_for};
use serde_json::{Map, Value, json};

use super::failure::Failure;

/// A field of an entity. One table of them for each type makes its OpenAPI schemas, its filters, and the checks of
/// request bodies.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) schema: Value,
    pub(super) access: Access,
    pub(super) required: bool,
}

/// Which way a field goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Both,
    /// Only in answers.
    Read,
    /// Only in requests.
    Write,
}

impl Field {
    fn new(name: &str, schema: Value) -> Field {
        Field { name: name.to_owned(), schema, access: Access::Both, required: false }
    }

    pub(super) fn read_only(mut self) -> Field {
        self.access = Access::Read;
        self
    }

    pub(super) fn write_only(mut self) -> Field {
        self.access = Access::Write;
        self
    }

    pub(super) fn required(mut self) -> Field {
        self.required = true;
        self
    }

    pub(super) fn nullable(mut self) -> Field {
        self.schema["nullable"] = json!(true);
        self
    }

    pub(super) fn at_least(mut self, minimum: i64) -> Field {
        self.schema["minimum"] = json!(minimum);
        self
    }

    pub(super) fn one_of(mut self, values: &[&str]) -> Field {
        self.schema["enum"] = json!(values);
        self
    }

    pub(super) fn is_nullable(&self) -> bool {
        self.schema["nullable"] == json!(true)
    }

    pub(super) fn type_name(&self) -> &str {
        self.schema["type"].as_str().unwrap_or("string")
    }

    pub(super) fn format(&self) -> &str {
        self.schema["format"].as_str().unwrap_or_default()
    }
}

pub(super) fn text(name: &str) -> Field {
    Field::new(name, json!({"type": "string"}))
}

/// An href or a PRN.
pub(super) fn href(name: &str) -> Field {
    Field::new(name, json!({"type": "string", "format": "uri"}))
}

pub(super) fn time(name: &str) -> Field {
    Field::new(name, json!({"type": "string", "format": "date-time"}))
}

pub(super) fn integer(name: &str) -> Field {
    Field::new(name, json!({"type": "integer"}))
}

pub(super) fn boolean(name: &str) -> Field {
    Field::new(name, json!({"type": "boolean"}))
}

pub(super) fn texts(name: &str) -> Field {
    Field::new(name, json!({"type": "array", "items": {"type": "string"}}))
}

pub(super) fn objects(name: &str) -> Field {
    Field::new(name, json!({"type": "array", "items": {"type": "object"}}))
}

pub(super) fn object(name: &str) -> Field {
    Field::new(name, json!({"type": "object", "additionalProperties": true}))
}

pub(super) fn labels() -> Field {
    Field::new(
        "pulp_labels",
        json!({"type": "object", "additionalProperties": {"type": "string", "nullable": true}}),
    )
}

pub(super) fn file(name: &str) -> Field {
    Field::new(name, json!({"type": "string", "format": "binary"})).write_only()
}

/// What every entity has.
pub(super) fn common() -> Vec<Field> {
    vec![
        href("pulp_href").read_only(),
        text("prn").read_only(),
        time("pulp_created").read_only(),
        time("pulp_last_updated").read_only(),
    ]
}

/// The fields that a plugin declares.
pub(super) fn declared(fields: Option<&RestFields>) -> Vec<Field> {
    let Some(fields) = fields else { return Vec::new() };
    let schema = Value::from(fields.schema());
    let Some(properties) = schema["properties"].as_object() else { return Vec::new() };
    let required =
        |name: &String| schema["required"].as_array().is_some_and(|all| all.contains(&json!(name)));
    let field = |(name, schema): (&String, &Value)| Field {
        name: name.clone(),
        schema: open_api(schema),
        access: Access::Both,
        required: required(name),
    };
    properties.iter().map(field).collect()
}

/// The fields of a serde struct all of whose fields have defaults; null sets one back.
pub(super) fn of_struct<T: JsonSchema>() -> Vec<Field> {
    let schema = Value::from(schema_for!(T));
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    let field = |(name, own): (&String, &Value)| {
        // A type of its own, such as an enum, stands among the definitions.
        let reference =
            own["$ref"].as_str().or(own["anyOf"][0]["$ref"].as_str()).or(own["allOf"][0]["$ref"].as_str());
        let definition = reference.and_then(|path| schema.pointer(path.trim_start_matches('#')));
        let choices = definition.map(|definition| match &definition["oneOf"] {
            Value::Array(one_of) => one_of.iter().map(|one| one["const"].clone()).collect(),
            _ => definition["enum"].clone(),
        });
        match choices {
            Some(choices) => Field::new(name, json!({"type": "string", "enum": choices})),
            None => Field::new(name, open_api(own)).nullable(),
        }
    };
    properties.iter().map(field).collect()
}

/// From the JSON schema of a serde struct to OpenAPI 3.0, which says `nullable` where JSON schema lists types.
fn open_api(schema: &Value) -> Value {
    let mut schema = schema.clone();
    let Some(object) = schema.as_object_mut() else { return json!({"type": "object"}) };
    object.remove("default");
    if let Some(Value::Array(types)) = object.get("type").cloned() {
        let kept = types.iter().find(|name| *name != "null").cloned().unwrap_or(json!("string"));
        object.insert("type".into(), kept);
        object.insert("nullable".into(), json!(true));
    }
    schema
}

/// The schema of what is sent (`write`) or answered.
pub(super) fn object_schema(fields: &[Field], write: bool, partial: bool) -> Value {
    let hidden = if write { Access::Read } else { Access::Write };
    let shown: Vec<&Field> = fields.iter().filter(|field| field.access != hidden).collect();
    let properties: Map<String, Value> = shown
        .iter()
        .map(|field| {
            let mut schema = field.schema.clone();
            if field.format() == "uri" {
                // An href has no host (RFC 3986 section 4.2).
                schema["format"] = json!("uri-reference");
            }
            if !write && field.access == Access::Read {
                schema["readOnly"] = json!(true);
            }
            if write && field.access == Access::Write && field.format() != "binary" {
                schema["writeOnly"] = json!(true);
            }
            (field.name.clone(), schema)
        })
        .collect();
    let mut schema = json!({"type": "object", "properties": properties});
    let required: Vec<&str> = shown
        .iter()
        .filter(|field| field.required && write && !partial)
        .map(|field| field.name.as_str())
        .collect();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// Holds a body against the fields: unknown ones, missing ones, wrong types. Empty texts mean null where null may be.
pub(super) fn check(
    fields: &[Field],
    body: Map<String, Value>,
    partial: bool,
) -> Result<Map<String, Value>, Failure> {
    let mut wrong = Map::new();
    let mut right = Map::new();
    for (name, value) in body {
        match fields.iter().find(|field| field.name == name) {
            None => drop(wrong.insert(name, json!(["Unexpected field"]))),
            // Clients send back what they were shown.
            Some(field) if field.access == Access::Read => {}
            Some(field) => match checked(field, value) {
                Ok(value) => drop(right.insert(name, value)),
                Err(why) => drop(wrong.insert(name, json!([why]))),
            },
        }
    }
    let missing = fields.iter().filter(|field| field.required && !partial);
    for field in missing.filter(|field| !right.contains_key(&field.name)) {
        wrong.entry(field.name.clone()).or_insert_with(|| json!(["This field is required."]));
    }
    if wrong.is_empty() { Ok(right) } else { Err(Failure::fields(wrong)) }
}

fn checked(field: &Field, value: Value) -> Result<Value, String> {
    let value = match value {
        Value::String(text) if text.is_empty() && field.is_nullable() => Value::Null,
        value => value,
    };
    if value.is_null() {
        return match field.is_nullable() {
            true => Ok(value),
            false => Err("This field may not be null.".into()),
        };
    }
    let value = match field.type_name() {
        "string" => match value {
            Value::String(text) if text.trim().is_empty() => Err("This field may not be blank."),
            Value::String(text) if text.contains('\0') => Err("Null characters are not allowed."),
            Value::String(_) => Ok(value),
            Value::Number(number) => Ok(Value::String(number.to_string())),
            _ => Err("Not a valid string."),
        },
        "integer" => integer_of(&value).map(|number| json!(number)).ok_or("A valid integer is required."),
        "number" => match &value {
            Value::Number(_) => Ok(value),
            Value::String(text) => {
                text.parse::<f64>().map(|number| json!(number)).map_err(|_| "A valid number is required.")
            }
            _ => Err("A valid number is required."),
        },
        "boolean" => match value {
            Value::Bool(_) => Ok(value),
            Value::String(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "t" | "yes" | "on" => Ok(json!(true)),
                "false" | "0" | "f" | "no" | "off" => Ok(json!(false)),
                _ => Err("Must be a valid boolean."),
            },
            _ => Err("Must be a valid boolean."),
        },
        "array" => array_of(field, value),
        _ => match value {
            Value::Object(_) => Ok(value),
            // In a form, what is nested is JSON in a text.
            Value::String(text) => match serde_json::from_str(&text) {
                Ok(Value::Object(object)) => Ok(Value::Object(object)),
                _ => Err("Expected a dictionary of items."),
            },
            _ => Err("Expected a dictionary of items."),
        },
    }?;
    if let Some(minimum) = field.schema["minimum"].as_i64()
        && value.as_i64().is_some_and(|number| number < minimum)
    {
        return Err(format!("Ensure this value is greater than or equal to {minimum}."));
    }
    if let Some(choices) = field.schema["enum"].as_array()
        && !choices.contains(&value)
    {
        return Err(format!("\"{}\" is not a valid choice.", value.as_str().unwrap_or_default()));
    }
    Ok(value)
}

fn integer_of(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn array_of(field: &Field, value: Value) -> Result<Value, &'static str> {
    let items = match value {
        Value::Array(items) => items,
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(Value::Array(items)) => items,
            _ => text.split(',').map(Value::from).collect(),
        },
        _ => return Err("Expected a list of items."),
    };
    let texts = field.schema["items"]["type"] == "string";
    if texts && !items.iter().all(Value::is_string) {
        return Err("Expected a list of texts.");
    }
    Ok(Value::Array(items))
}
