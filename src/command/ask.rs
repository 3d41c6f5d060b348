//! Asking the running parvis, by its admin interface.

use super::Failure;
use crate::edge::Edge;
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// A reload of a very large configuration takes a second; more means that nobody is there.
const LIMIT: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug)]
pub enum Silence {
    /// Nobody takes connections: parvis does not run.
    Nobody(String),
    /// Somebody is there, and it went wrong.
    Failed(Failure),
}

impl From<Silence> for Failure {
    fn from(silence: Silence) -> Failure {
        match silence {
            Silence::Nobody(why) => Failure::Work(format!("{why}\nhelp: is it running?")),
            Silence::Failed(failure) => failure,
        }
    }
}

/// Asks the parvis whose admin interface is on `admin`, with the configuration's token. The answer's
/// status and body.
///
/// # Errors
/// There is no answer.
pub fn ask(
    edge: &Edge,
    admin: SocketAddr,
    method: Method,
    path: &str,
) -> Result<(StatusCode, String), Silence> {
    let failed = |text: String| Silence::Failed(Failure::Work(text));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(format!("error: {error}")))?;
    let asked = runtime.block_on(async {
        let asking = async {
            let stream = TcpStream::connect(admin).await.map_err(|error| {
                Silence::Nobody(format!("error: cannot reach parvis on {admin}: {error}"))
            })?;
            let answer = exchange(stream, admin, &edge.token, method, path).await;
            answer.map_err(|error| failed(format!("error: parvis on {admin}: {error}")))
        };
        tokio::time::timeout(LIMIT, asking).await
    });
    let (status, body) =
        asked.map_err(|_| failed(format!("error: no answer from {admin} within {LIMIT:?}")))??;
    match status {
        StatusCode::UNAUTHORIZED => Err(failed(
            "error: the running parvis has another admin token than this configuration".into(),
        )),
        _ => Ok((status, body)),
    }
}

/// What `/status` says.
pub struct Told {
    /// Who says it.
    pub admin: SocketAddr,
    /// The answer's status.
    pub status: StatusCode,
    /// Its body; null when it is no JSON.
    pub value: Value,
}

/// Asks the running parvis for its status; the inner error is why there is none to be asked.
///
/// # Errors
/// Somebody is there, and it went wrong.
pub fn status(edge: &Edge) -> Result<Result<Told, String>, Failure> {
    let Some(admin) = edge.fixed.admin else {
        return Ok(Err(
            "the admin interface is off, so parvis cannot be asked".to_string()
        ));
    };
    match ask(edge, admin, Method::GET, "/status") {
        Ok((status, body)) => Ok(Ok(Told {
            admin,
            status,
            value: serde_json::from_str(&body).unwrap_or_default(),
        })),
        Err(Silence::Nobody(_)) => Ok(Err(format!("parvis does not run (nobody is on {admin})"))),
        Err(silence) => Err(silence.into()),
    }
}

async fn exchange(
    stream: TcpStream,
    admin: SocketAddr,
    token: &str,
    method: Method,
    path: &str,
) -> Result<(StatusCode, String), Box<dyn std::error::Error>> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, admin.to_string());
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Empty::<Bytes>::new())?;
    let exchange = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    // The connection has to be driven while the answer is awaited; it ends with it.
    tokio::pin!(connection);
    tokio::select! {
        result = exchange => result,
        ended = &mut connection => Err(ended.err().map_or("closed without an answer".into(), Into::into)),
    }
}
