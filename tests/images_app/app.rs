//! An app that sends the same picture in many ways, by the path.

use crate::support::backend::Request;
use crate::support::{Backend, Incoming};
use std::sync::{Arc, Mutex, mpsc};

/// Of the picture, pixels.
pub const SIZE: (u32, u32) = (400, 300);

/// The app.
pub struct App {
    pub backend: Backend,
    /// A PNG of [`SIZE`].
    pub picture: Arc<Vec<u8>>,
    /// Lets a path that waits in its middle go on.
    pub go_on: mpsc::Sender<()>,
    /// Told when a client is gone that the app waits for.
    pub gone: mpsc::Receiver<()>,
}

/// A PNG that is far from small: no two pixels are alike.
pub fn png(width: u32, height: u32) -> Vec<u8> {
    let mut seed = 7u32;
    let picture = image::RgbImage::from_fn(width, height, |x, y| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = u8::try_from(seed >> 28).unwrap();
        let part = |value: u32| u8::try_from(value * 200 / (width + height)).unwrap();
        image::Rgb([part(x) + noise, part(y) + noise, part(x + y) + noise])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

/// What comes with the picture, whatever its path.
const PICTURE: &str = "Content-Type: image/png\r\nETag: \"app\"\r\n\
    Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nSet-Cookie: a=b\r\nX-App: here\r\n";

pub fn app() -> App {
    let picture = Arc::new(png(SIZE.0, SIZE.1));
    let (go_on, waits) = mpsc::channel();
    let (told, gone) = mpsc::channel();
    let waits = Mutex::new(waits);
    let own = picture.clone();
    let backend = Backend::raw(move |incoming| {
        while let Some(request) = incoming.request() {
            let wait = || waits.lock().unwrap().recv().unwrap();
            if answer(incoming, &request, &own, wait) == Then::Close {
                // Dropped is whoever waits for it.
                if request.target.starts_with("/left") {
                    let _ = told.send(());
                }
                return;
            }
        }
    });
    App {
        backend,
        picture,
        go_on,
        gone,
    }
}

#[derive(PartialEq, Eq)]
enum Then {
    Next,
    Close,
}

fn answer(incoming: &mut Incoming, request: &Request, picture: &[u8], wait: impl Fn()) -> Then {
    let path = request.target.split('?').next().unwrap();
    let fields = request.field("x-fields").unwrap_or_default();
    let fields = match fields.is_empty() {
        true => PICTURE.to_string(),
        false => format!("{PICTURE}{fields}\r\n"),
    };
    let length = picture.len();
    let head = format!("HTTP/1.1 200 OK\r\n{fields}");
    let by_length = format!("{head}Content-Length: {length}\r\n\r\n");
    let in_chunks = format!("{head}Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n");
    if request.method == "HEAD" {
        incoming.send(by_length);
        return Then::Next;
    }
    match path {
        "/chunked.png" => {
            incoming.send(in_chunks);
            for piece in picture.chunks(997) {
                incoming.send(chunk(piece));
            }
            incoming.send("0\r\nX-Sum: 7\r\n\r\n");
        }
        "/slow.png" => {
            incoming.send("HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n");
            wait();
            let half = length / 2;
            incoming.send([by_length.as_bytes(), &picture[..half]].concat());
            wait();
            incoming.send(&picture[half..]);
        }
        "/left.png" => {
            incoming.send([by_length.as_bytes(), &picture[..100]].concat());
            // Until parvis closes, which it does when its client has.
            while incoming.read(&mut [0; 100]) > 0 {}
            return Then::Close;
        }
        "/until-the-end.png" => {
            incoming.send([format!("{head}\r\n").as_bytes(), picture].concat());
            return Then::Close;
        }
        "/cut-off.png" => {
            incoming.send([by_length.as_bytes(), &picture[..length / 2]].concat());
            return Then::Close;
        }
        "/cut-off-chunks.png" => {
            incoming.send(in_chunks);
            incoming.send(chunk(&picture[..1000]));
            return Then::Close;
        }
        "/large.png" => drop(incoming.send(with(&head, &[0; 300_000]))),
        "/large-chunked.png" => {
            incoming.send(in_chunks);
            for _ in 0..300 {
                incoming.send(chunk(&[0; 1000]));
            }
            incoming.send("0\r\nX-Sum: 7\r\n\r\n");
        }
        "/broken.png" => drop(incoming.send(with(&head, b"no picture"))),
        "/coded.png" => {
            let head = format!("{head}Content-Encoding: gzip\r\n");
            incoming.send(with(&head, b"not looked into"));
        }
        "/missing.png" => {
            let head = "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n";
            incoming.send(with(head, b"nothing here"));
        }
        "/picture.svg" => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: image/svg+xml\r\nETag: \"svg\"\r\n";
            incoming.send(with(head, b"<svg/>"));
        }
        "/video" => {
            let head = "HTTP/1.1 206 Partial Content\r\nContent-Type: video/mp4\r\n\
                        Content-Range: bytes 0-3/9\r\n";
            incoming.send(with(head, b"part"));
        }
        "/search" => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n";
            incoming.send(with(head, b"found"));
        }
        "/endless" => {
            incoming.send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n",
            );
            incoming.send(chunk(b"first"));
            wait();
            incoming.send(chunk(b"second"));
            incoming.send("0\r\n\r\n");
        }
        _ => drop(incoming.send([by_length.as_bytes(), picture].concat())),
    }
    Then::Next
}

fn with(head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    [
        format!("{head}Content-Length: {length}\r\n\r\n").as_bytes(),
        body,
    ]
    .concat()
}

pub fn chunk(piece: &[u8]) -> Vec<u8> {
    [
        format!("{:x}\r\n", piece.len()).as_bytes(),
        piece,
        b"\r\n".as_slice(),
    ]
    .concat()
}
