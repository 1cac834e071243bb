//! An HTTP/1.1 client that sends what it is told and shows what came, with no redirects followed; and what the servers
//! of this crate share.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers as sent, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header; the test fails if there are two of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(header, _)| header == name);
        let first = found.next();
        assert!(found.next().is_none(), "two headers are called {name}");
        first.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("the body is text")
    }
}

/// A connection that is kept alive.
pub struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    /// Connects to `127.0.0.1:PORT`, or to the host and port of a URL.
    pub fn open(address: &str) -> Connection {
        let address = address.trim_start_matches("http://").split('/').next().unwrap_or_default();
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Connection { reader: BufReader::new(stream) }
    }

    /// Sends raw bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).expect("the server takes the request");
    }

    /// Sends raw bytes to a server that may hang up meanwhile.
    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    /// Says that nothing more will be sent, and gives whatever still comes.
    pub fn until_closed(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A server that hangs up on unread bytes resets the connection; what came before that counts.
        let _ = self.reader.get_mut().shutdown(Shutdown::Write);
        let _ = self.reader.read_to_end(&mut rest);
        rest
    }

    /// Sends a request and reads its answer.
    pub fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(request(method, path, headers).as_bytes());
        self.answer(method == "HEAD")
    }

    /// Reads the next answer. That to a HEAD request has no body, whatever its length says.
    pub fn answer(&mut self, head: bool) -> Answer {
        let status = self.line();
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut answer =
            Answer { status: status.expect("a status line"), headers: Vec::new(), body: Vec::new() };
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            answer.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        if head || answer.status == 304 {
            return answer;
        }
        let length = answer.header("content-length").expect("a length").parse().expect("a number");
        answer.body = vec![0; length];
        self.reader.read_exact(&mut answer.body).expect("as many bytes as announced");
        answer
    }

    /// Whether the server has closed the connection.
    pub fn is_closed(&mut self) -> bool {
        self.reader.fill_buf().is_ok_and(<[u8]>::is_empty)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }
}

/// The head of a request or an answer, as it came.
#[derive(Debug, Clone)]
pub struct Head {
    lines: Vec<String>,
}

impl Head {
    /// Reads up to the empty line; `None` if the connection ends before.
    pub fn read(reader: &mut impl BufRead) -> Option<Head> {
        let mut lines: Vec<String> = Vec::new();
        while lines.last().is_none_or(|line| line != "\r\n") {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
            lines.push(line);
        }
        Some(Head { lines })
    }

    /// As it came.
    pub fn bytes(&self) -> Vec<u8> {
        self.lines.concat().into_bytes()
    }

    /// A word of the first line.
    pub fn word(&self, index: usize) -> &str {
        self.lines[0].split_whitespace().nth(index).expect("the first line has so many words")
    }

    /// The path of a request, percent-decoded.
    pub fn path(&self) -> String {
        percent_encoding::percent_decode_str(self.word(1))
            .decode_utf8()
            .expect("the path is text")
            .into_owned()
    }

    /// The value of a header; `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.lines.iter().filter_map(|line| line.split_once(':'));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// The text of a request.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n")
}

/// One GET on a connection of its own. `url` begins with `http://`.
pub fn get(url: &str) -> Answer {
    let rest = url.strip_prefix("http://").expect("an http URL");
    let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
    Connection::open(address).request("GET", &format!("/{path}"), &[])
}

/// One GET; redirects on the same host are followed.
pub fn follow(url: &str) -> Answer {
    let mut url = url.to_owned();
    for _ in 0..5 {
        let answer = get(&url);
        let Some(location) = answer.header("location") else {
            return answer;
        };
        let authority = url.trim_start_matches("http://").split('/').next().unwrap_or_default();
        url = format!("http://{authority}{location}");
    }
    panic!("too many redirects at {url}");
}
