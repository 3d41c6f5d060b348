//! `parvis reload`.

use super::{ConfigFile, Failure, files};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// A reload of a very large configuration takes a second; more means that nobody is there.
const LIMIT: Duration = Duration::from_secs(30);

/// Asks the running parvis, by its admin interface, to load its configuration again.
pub fn reload(file: &ConfigFile) -> Result<(), Failure> {
    let path = files::choose(file)?;
    // The same mistakes that the running process would find, without troubling it.
    let edge = files::load(&path)?;
    let Some(admin) = edge.fixed.admin else {
        return Err(Failure::Work(
            "error: the admin interface is off\nhelp: send the process SIGHUP instead: kill -HUP PID".into(),
        ));
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Work(format!("error: {error}")))?;
    let asked =
        runtime.block_on(async { tokio::time::timeout(LIMIT, ask(admin, &edge.token)).await });
    let (status, body) = asked
        .map_err(|_| Failure::Work(format!("error: no answer from {admin} within {LIMIT:?}")))?
        .map_err(|error| {
            Failure::Work(format!(
                "error: cannot reach parvis on {admin}: {error}\nhelp: is it running?"
            ))
        })?;
    let value: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
    match status {
        StatusCode::OK => {
            let number = |key: &str| value.get(key).cloned().unwrap_or_default();
            super::print(&format!(
                "reloaded: generation {} in {} ms",
                number("generation"),
                number("duration_ms")
            ));
            for difference in value
                .get("needs_restart")
                .and_then(|v| v.as_array())
                .into_iter()
                .flatten()
            {
                super::print(&format!(
                    "needs a restart: {}",
                    difference.as_str().unwrap_or_default()
                ));
            }
            let failed = value.get("failed").and_then(|v| v.as_array());
            let failed: Vec<&str> = failed
                .into_iter()
                .flatten()
                .filter_map(|v| v.as_str())
                .collect();
            match failed.is_empty() {
                true => Ok(()),
                false => Err(Failure::Work(format!(
                    "error: {}",
                    failed.join("\nerror: ")
                ))),
            }
        }
        StatusCode::UNPROCESSABLE_ENTITY => {
            let text = value.get("error").and_then(|v| v.as_str()).unwrap_or(&body);
            Err(Failure::Wrong(text.to_string()))
        }
        StatusCode::UNAUTHORIZED => Err(Failure::Work(
            "error: the running parvis has another admin token than this configuration".into(),
        )),
        other => Err(Failure::Work(format!(
            "error: parvis answered {other}: {body}"
        ))),
    }
}

async fn ask(
    admin: SocketAddr,
    token: &str,
) -> Result<(StatusCode, String), Box<dyn std::error::Error>> {
    let stream = TcpStream::connect(admin).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut request = Request::post("/reload").header(header::HOST, admin.to_string());
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
