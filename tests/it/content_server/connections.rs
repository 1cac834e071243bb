//! Connections: many requests on one, many at once, ones that misbehave, and the end of the server.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use checkpoint_testkit::http::{Connection, request};

use super::{Site, noise};

const BASE: &str = "/pulp/content/site/live";

#[test]
fn one_connection_carries_many_requests() {
    let large = noise(400_000);
    let site = Site::of_files(&[("small", b"small"), ("large", &large)]);
    let mut connection = site.server.connect();
    for round in 0..100 {
        let (path, body) = if round % 10 == 0 { ("large", &large[..]) } else { ("small", &b"small"[..]) };
        let answer = connection.request("GET", &format!("{BASE}/{path}"), &[]);
        assert!(answer.status == 200 && answer.body == body, "{round}");
        assert_eq!(connection.request("GET", &format!("{BASE}/none"), &[]).status, 404);
    }
}

/// Method, path and headers; status and body of the answer.
type Wanted<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], u16, &'a [u8]);

#[test]
fn requests_sent_ahead_are_answered_in_order() {
    let large = noise(3 << 20);
    let site = Site::of_files(&[("a", b"aa"), ("b", b"bbb"), ("empty", b""), ("large", &large)]);
    let part: &[(&str, &str)] = &[("Range", "bytes=1000000-2000000")];
    let wanted: [Wanted; 10] = [
        ("GET", "a", &[], 200, b"aa"),
        ("GET", "large", &[], 200, &large),
        ("GET", "b", &[], 200, b"bbb"),
        ("HEAD", "large", &[], 200, b""),
        ("GET", "large", part, 206, &large[1_000_000..2_000_001]),
        ("GET", "empty", &[], 200, b""),
        ("GET", "b", &[("If-None-Match", "*")], 304, b""),
        ("GET", "sub%00", &[], 404, b"404: Not Found\nthe path holds a control character\n"),
        ("GET", "large", &[], 200, &large),
        ("GET", "a", &[], 200, b"aa"),
    ];
    let all: String = wanted
        .iter()
        .map(|(method, path, headers, ..)| request(method, &format!("{BASE}/{path}"), headers))
        .collect();
    for _ in 0..2 {
        let mut connection = site.server.connect();
        connection.send(all.as_bytes());
        for (at, (method, path, _, status, body)) in wanted.iter().enumerate() {
            let answer = connection.answer(*method == "HEAD");
            assert_eq!(answer.status, *status, "{at}: {path}");
            assert!(answer.body == *body, "{at}: {path}");
        }
        assert_eq!(connection.request("GET", &format!("{BASE}/a"), &[]).body, b"aa");
    }
}

#[test]
fn an_answer_does_not_wait_for_the_rest_of_the_next_request() {
    let site = Site::of_files(&[("small", b"small")]);
    let mut connection = site.server.connect();
    let whole = request("GET", &format!("{BASE}/small"), &[]);
    let (begin, rest) = whole.split_at(20);
    connection.send(format!("{whole}{begin}").as_bytes());
    assert_eq!(connection.answer(false).body, b"small");
    connection.send(rest.as_bytes());
    assert_eq!(connection.answer(false).body, b"small");
}

#[test]
fn a_connection_is_closed_when_the_client_wants_it() {
    let site = Site::of_files(&[("small", b"small")]);
    let mut connection = site.server.connect();
    let answer = connection.request("GET", &format!("{BASE}/small"), &[("Connection", "close")]);
    assert_eq!((answer.body.as_slice(), answer.header("connection")), (&b"small"[..], Some("close")));
    assert!(connection.is_closed());

    let mut old = site.server.connect();
    old.send(format!("GET {BASE}/small HTTP/1.0\r\n\r\n").as_bytes());
    let answer = old.answer(false);
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"small"[..]));
    assert_eq!(answer.header("transfer-encoding"), None);
    assert!(old.is_closed());

    let mut old = site.server.connect();
    for _ in 0..2 {
        old.send(format!("GET {BASE}/small HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").as_bytes());
        assert_eq!(old.answer(false).body, b"small");
    }
}

#[test]
fn clients_that_misbehave_disturb_nobody() {
    let large = noise(20 << 20);
    let site = Site::of_files(&[("small", b"small"), ("large", &large)]);
    let mut good = site.server.connect();
    let mut check = || {
        assert_eq!(good.request("GET", &format!("{BASE}/small"), &[]).body, b"small", "on an old connection");
        assert_eq!(site.get("small").body, b"small", "on a new one");
    };
    let huge = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(1000));
    let garbage: [&[u8]; 9] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\r\n\r\n\r\n\r\nno request at all\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        huge.as_bytes(),
        many.as_bytes(),
    ];
    for (at, bytes) in garbage.into_iter().enumerate() {
        let mut connection = site.server.connect();
        let _ = connection.try_send(bytes);
        let answer = String::from_utf8(connection.until_closed()).unwrap();
        // HTTP/2 is hung up on, and so is who sends too much: before everything is read.
        let silent = at >= 6 && answer.is_empty();
        assert!(silent || answer.starts_with("HTTP/1.1 4"), "{at}: {answer:?}");
        check();
    }
    // Half a request each, and then silence.
    let mut halves: Vec<Connection> = (0..50).map(|_| site.server.connect()).collect();
    halves.iter_mut().for_each(|half| half.send(format!("GET {BASE}/small HTTP/1.1\r\nHo").as_bytes()));
    check();
    // Much is asked for, and nothing of it read.
    let mut greedy: Vec<Connection> = (0..20).map(|_| site.server.connect()).collect();
    let twice = request("GET", &format!("{BASE}/large"), &[]).repeat(2);
    greedy.iter_mut().for_each(|greedy| greedy.send(twice.as_bytes()));
    check();
    thread::sleep(Duration::from_millis(300));
    let peak = site.server.peak_memory();
    assert!(peak < 150 << 20, "what nobody reads is kept in memory: {peak} bytes");
    drop(greedy);
    check();
    for half in &mut halves {
        half.send(b"st: test\r\n\r\n");
        assert_eq!(half.answer(false).body, b"small", "slow is not wrong");
    }
}

#[test]
fn two_hundred_connections_are_served_at_once() {
    let large = noise(300_000);
    let site = Site::of_files(&[("small", b"small"), ("large", &large)]);
    let mut connections: Vec<Connection> = (0..200).map(|_| site.server.connect()).collect();
    for round in 0..2 {
        let is_large = |at: usize| (at + round).is_multiple_of(4);
        for (at, connection) in connections.iter_mut().enumerate() {
            let path = if is_large(at) { "large" } else { "small" };
            connection.send(request("GET", &format!("{BASE}/{path}"), &[]).as_bytes());
        }
        for (at, connection) in connections.iter_mut().enumerate() {
            let body = if is_large(at) { &large[..] } else { b"small" };
            assert!(connection.answer(false).body == body, "{at}");
        }
    }
}

#[test]
fn a_server_that_is_told_to_stop_finishes_what_it_is_sending() {
    let large = noise(30 << 20);
    let mut site = Site::of_files(&[("small", b"small"), ("large", &large)]);
    let address = site.server.url.trim_start_matches("http://").to_owned();
    let mut idle = site.server.connect();
    assert_eq!(idle.request("GET", &format!("{BASE}/small"), &[]).body, b"small");
    let mut silent = site.server.connect();
    let mut slow = TcpStream::connect(&address).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    slow.write_all(request("GET", &format!("{BASE}/large"), &[]).as_bytes()).unwrap();
    let mut received = vec![0; 1 << 20];
    slow.read_exact(&mut received).unwrap();

    site.server.terminate();
    let told = Instant::now();
    while TcpStream::connect(&address).is_ok() {
        assert!(told.elapsed() < Duration::from_secs(10), "it still takes connections");
        thread::sleep(Duration::from_millis(10));
    }
    assert!(idle.is_closed() && silent.is_closed(), "nobody waits for those who want nothing");
    thread::sleep(Duration::from_millis(300));
    assert_eq!(site.server.child.try_wait().unwrap(), None, "somebody is not done");
    slow.read_to_end(&mut received).unwrap();
    let body = received.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    assert!(received[body..] == large, "{} bytes", received.len() - body);
    let done = Instant::now();
    assert_eq!(site.server.child.wait().unwrap().code(), Some(0));
    assert!(done.elapsed() < Duration::from_secs(5), "nothing was left to wait for");
}
