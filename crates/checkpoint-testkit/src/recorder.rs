//! A pass-through in front of a server, which remembers every request and how it was answered.

use std::io::{BufReader, Read, Write, copy};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use crate::http::Head;

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The method.
    pub method: String,
    /// The path, percent-decoded.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
}

/// The pass-through.
pub struct Recorder {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    recorded: Arc<Mutex<Vec<Recorded>>>,
}

impl Recorder {
    /// Starts it on a port as [`listen`] gives it, in front of the server at `http://HOST:PORT`.
    pub fn start(server: &str) -> Recorder {
        let listener = listen();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = server.strip_prefix("http://").unwrap().to_owned();
        let recorded = Arc::<Mutex<Vec<Recorded>>>::default();
        let remembered = recorded.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (server, recorded) = (server.clone(), remembered.clone());
                std::thread::spawn(move || pass(client.unwrap(), &server, &recorded));
            }
        });
        Recorder { url, recorded }
    }

    /// The requests since this was asked last, in the order of their answers. Each is there before its client has got
    /// the answer.
    pub fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut self.recorded.lock().unwrap())
    }
}

/// Takes a free port that every program can speak to: apt-cacher-ng knows none above 32767, where systems choose theirs.
/// No port is given twice in a process, also if it is free again.
pub fn listen() -> TcpListener {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id() + COUNT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + (number % 12_000) as u16;
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener;
        }
    }
}

/// Serves one client connection over one to the server; ends when either side hangs up.
fn pass(client: TcpStream, server: &str, recorded: &Mutex<Vec<Recorded>>) -> Option<()> {
    let mut client = BufReader::new(client);
    let mut server = BufReader::new(TcpStream::connect(server).ok()?);
    loop {
        let request = Head::read(&mut client)?;
        server.get_mut().write_all(&request.bytes()).ok()?;
        let answer = Head::read(&mut server)?;
        let method = request.word(0).to_owned();
        let status = answer.word(1).parse().expect("a status");
        let has_body = method != "HEAD" && status != 304;
        let length = answer.header("content-length").map(|length| length.parse().expect("a length"));
        // Without a length the body ends with the connection.
        let length: u64 = if has_body { length.unwrap_or(u64::MAX) } else { 0 };
        recorded.lock().unwrap().push(Recorded { method, path: request.path(), status });
        client.get_mut().write_all(&answer.bytes()).ok()?;
        let passed = copy(&mut server.by_ref().take(length), client.get_mut()).ok()?;
        if passed < length {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Connection;
    use crate::upstream::{Fault, Upstream};

    #[test]
    fn what_is_asked_for_is_remembered_and_passes_unchanged() {
        let upstream = Upstream::default();
        upstream.set("/a~b", b"bytes");
        let recorder = Recorder::start(&upstream.start());
        let mut connection = Connection::open(&recorder.url);
        connection.send(b"GET /a%7eb HTTP/1.1\r\n\r\nGET /none HTTP/1.1\r\n\r\n");
        let answer = connection.answer(false);
        assert_eq!((answer.status, &answer.body[..]), (200, &b"bytes"[..]));
        let condition = [("If-None-Match", answer.header("etag").unwrap())];
        assert_eq!(connection.answer(false).status, 404);
        assert_eq!(connection.request("GET", "/a~b", &condition).status, 304);
        upstream.fail("a~b", &[Fault::Truncate(2)]);
        connection.send(b"GET /a~b HTTP/1.1\r\n\r\n");
        assert!(connection.until_closed().ends_with(b"\r\n\r\nby"));
        let recorded = recorder.take();
        let recorded: Vec<_> =
            recorded.iter().map(|request| (request.path.as_str(), request.status)).collect();
        assert_eq!(recorded, [("/a~b", 200), ("/none", 404), ("/a~b", 304), ("/a~b", 200)]);
        assert_eq!(recorder.take(), []);
    }
}
