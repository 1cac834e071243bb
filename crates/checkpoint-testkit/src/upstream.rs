//! An HTTP server that serves what a test puts into it, remembers what was asked for, and misbehaves on order.

use std::collections::{HashMap, VecDeque};
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use checkpoint_core::digest::Digests;

use crate::http::Head;

/// How an upstream misbehaves, once.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Answers with a status and further header lines, each ended by CR LF.
    Status(u16, String),
    /// Closes the connection without a word.
    Reset,
    /// Sends these bytes instead of an answer, and closes the connection.
    Stray(Vec<u8>),
    /// Sends other bytes of the same length.
    Garble,
    /// Announces all and sends so many bytes.
    Truncate(usize),
    /// Announces so many bytes and sends all there are. If these are fewer the connection is closed then; if they are
    /// more the rest stands where the next answer should.
    Announce(usize),
    /// Announces no length, and sends zeros after the body until the client hangs up.
    Endless,
    /// Waits so long before each quarter of the body.
    Slow(Duration),
    /// Waits so long before each byte of the body.
    Drip(Duration),
}

/// What is at a path.
#[derive(Clone)]
enum Entry {
    File(Vec<u8>),
    Redirect(String),
}

/// The server. Its paths begin with a slash and are not percent-encoded.
#[derive(Clone, Default)]
pub struct Upstream {
    entries: Arc<Mutex<HashMap<String, Entry>>>,
    asked: Arc<Mutex<Vec<String>>>,
    faults: Arc<Mutex<HashMap<String, VecDeque<Fault>>>>,
}

impl Upstream {
    /// Starts it on a free port; gives its URL.
    pub fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let upstream = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let upstream = upstream.clone();
                std::thread::spawn(move || upstream.serve(stream.unwrap()));
            }
        });
        url
    }

    /// Serves a file.
    pub fn set(&self, path: &str, bytes: &[u8]) {
        self.entries.lock().unwrap().insert(path.to_owned(), Entry::File(bytes.to_vec()));
    }

    /// Redirects to a URL or path, which is sent as it is written here. One to itself makes a loop.
    pub fn redirect(&self, path: &str, location: &str) {
        self.entries.lock().unwrap().insert(path.to_owned(), Entry::Redirect(location.to_owned()));
    }

    /// Has nothing at a path any more.
    pub fn remove(&self, path: &str) {
        self.entries.lock().unwrap().remove(path);
    }

    /// The file at a path.
    pub fn file(&self, path: &str) -> Vec<u8> {
        match &self.entries.lock().unwrap()[path] {
            Entry::File(bytes) => bytes.clone(),
            Entry::Redirect(location) => panic!("{path} is a redirect to {location}"),
        }
    }

    /// The paths of all files and redirects.
    pub fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.entries.lock().unwrap().keys().cloned().collect();
        paths.sort();
        paths
    }

    /// Has nothing at all any more.
    pub fn clear(&self) {
        self.entries.lock().unwrap().clear();
    }

    /// Misbehaves at the next requests for paths that contain `part`, in this order.
    pub fn fail(&self, part: &str, faults: &[Fault]) {
        self.faults.lock().unwrap().entry(part.to_owned()).or_default().extend(faults.iter().cloned());
    }

    /// The paths that were asked for since this was asked last.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some(request) = Head::read(&mut reader) {
            if self.answer(reader.get_mut(), &request).is_none() {
                return;
            }
        }
    }

    /// Answers one request; `None` closes the connection.
    fn answer(&self, stream: &mut TcpStream, request: &Head) -> Option<()> {
        let path = request.path();
        let entry = self.entries.lock().unwrap().get(&path).cloned();
        let fault = self.next_fault(&path);
        self.asked.lock().unwrap().push(path);
        match &fault {
            Some(Fault::Status(status, headers)) => {
                return send(stream, &format!("{status} on order"), headers, b"");
            }
            Some(Fault::Reset) => return None,
            Some(Fault::Stray(bytes)) => {
                let _ = stream.write_all(bytes);
                return None;
            }
            _ => {}
        }
        match entry {
            None => send(stream, "404 Not Found", "", b""),
            Some(Entry::Redirect(location)) => {
                send(stream, "302 Found", &format!("Location: {location}\r\n"), b"")
            }
            Some(Entry::File(bytes)) => send_file(stream, request, bytes, fault),
        }
    }

    fn next_fault(&self, path: &str) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let (_, due) =
            faults.iter_mut().find(|(part, due)| path.contains(part.as_str()) && !due.is_empty())?;
        due.pop_front()
    }
}

/// Answers with a file, or the part of it that was asked for.
fn send_file(stream: &mut TcpStream, request: &Head, mut bytes: Vec<u8>, fault: Option<Fault>) -> Option<()> {
    let etag = format!("\"{}\"", Digests::of(&bytes).sha256);
    let mut headers = format!("ETag: {etag}\r\n");
    if request.header("if-none-match") == Some(&etag) {
        return send(stream, "304 Not Modified", &headers, b"");
    }
    if matches!(fault, Some(Fault::Garble)) {
        bytes.iter_mut().for_each(|byte| *byte ^= 1);
    }
    let from = request.header("range").filter(|_| request.header("if-range") == Some(&etag));
    let from: usize = from.map_or(0, |range| range["bytes=".len()..].trim_end_matches('-').parse().unwrap());
    let status = if from == 0 { "200 OK" } else { "206 Partial" };
    if from > 0 {
        let size = bytes.len();
        headers.push_str(&format!("Content-Range: bytes {from}-{}/{size}\r\n", size - 1));
    }
    let body = &bytes[from..];
    let mut announce = |length: usize| {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).ok()
    };
    match fault {
        Some(Fault::Truncate(count)) => {
            announce(body.len())?;
            let _ = stream.write_all(&body[..body.len().min(count)]);
            None
        }
        Some(Fault::Announce(length)) => {
            announce(length)?;
            stream.write_all(body).ok().filter(|()| length <= body.len())
        }
        Some(Fault::Endless) => {
            let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n");
            stream.write_all(&[head.as_bytes(), body].concat()).ok()?;
            while stream.write_all(&[0; 1 << 14]).is_ok() {}
            None
        }
        Some(Fault::Slow(wait)) => {
            announce(body.len())?;
            send_slowly(stream, body, bytes.len() / 4 + 1, wait)
        }
        Some(Fault::Drip(wait)) => {
            announce(body.len())?;
            send_slowly(stream, body, 1, wait)
        }
        _ => send(stream, status, &headers, body),
    }
}

fn send_slowly(stream: &mut TcpStream, body: &[u8], piece: usize, wait: Duration) -> Option<()> {
    for piece in body.chunks(piece) {
        std::thread::sleep(wait);
        stream.write_all(piece).ok()?;
    }
    Some(())
}

fn send(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> Option<()> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Connection, get};

    const BODY: &[u8] = b"0123456789";

    /// All that comes before the server hangs up, where the next answer has this fault.
    fn raw(fault: Fault) -> String {
        let upstream = Upstream::default();
        upstream.set("/file", BODY);
        upstream.fail("file", &[fault]);
        let mut connection = Connection::open(&upstream.start());
        connection.send(b"GET /file HTTP/1.1\r\n\r\n");
        String::from_utf8(connection.until_closed()).unwrap()
    }

    fn announced(raw: &str) -> &str {
        raw.split_once("Content-Length: ").unwrap().1.split_once("\r\n").unwrap().0
    }

    fn body(raw: &str) -> &str {
        raw.split_once("\r\n\r\n").unwrap().1
    }

    #[test]
    fn a_fault_happens_once_and_is_what_it_says() {
        let status = raw(Fault::Status(503, "Retry-After: 1\r\n".into()));
        assert!(status.starts_with("HTTP/1.1 503 ") && status.contains("\r\nRetry-After: 1\r\n"));
        assert_eq!(raw(Fault::Reset), "");
        assert_eq!(raw(Fault::Stray(b"220 mail\r\n".to_vec())), "220 mail\r\n");
        assert_eq!(body(&raw(Fault::Garble)), "1032547698");
        for (fault, length, sent) in [
            (Fault::Truncate(3), "10", "012"),
            (Fault::Announce(3), "3", "0123456789"),
            (Fault::Announce(30), "30", "0123456789"),
            (Fault::Slow(Duration::from_millis(1)), "10", "0123456789"),
            (Fault::Drip(Duration::from_millis(1)), "10", "0123456789"),
        ] {
            let raw = raw(fault);
            assert_eq!((announced(&raw), body(&raw)), (length, sent));
        }
        let upstream = Upstream::default();
        upstream.set("/file", BODY);
        upstream.fail("file", &[Fault::Reset]);
        let url = upstream.start();
        Connection::open(&url).send(b"GET /file HTTP/1.1\r\n\r\n");
        while upstream.asked().is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(get(&format!("{url}/file")).body, BODY);
    }

    #[test]
    fn an_endless_answer_ends_only_when_the_client_hangs_up() {
        use std::io::Read as _;
        let upstream = Upstream::default();
        upstream.set("/file", BODY);
        upstream.fail("file", &[Fault::Endless]);
        let mut stream = TcpStream::connect(upstream.start().strip_prefix("http://").unwrap()).unwrap();
        stream.write_all(b"GET /file HTTP/1.1\r\n\r\n").unwrap();
        let mut bytes = vec![0; 4 << 20];
        stream.read_exact(&mut bytes).unwrap();
        let text = String::from_utf8(bytes[..200].to_vec()).unwrap();
        assert!(!text.contains("Content-Length") && body(&text).starts_with("0123456789\0"), "{text}");
    }

    #[test]
    fn a_redirect_stays_and_may_lead_to_itself() {
        let upstream = Upstream::default();
        let url = upstream.start();
        for location in ["/loop", "https://127.0.0.1/x", "http://127.0.0.2:1/x"] {
            upstream.redirect("/loop", location);
            for _ in 0..2 {
                let answer = get(&format!("{url}/loop"));
                assert_eq!((answer.status, answer.header("location")), (302, Some(location)));
            }
        }
        upstream.remove("/loop");
        assert_eq!(get(&format!("{url}/loop")).status, 404);
    }
}
