//! HTTP for a CA: over TLS only, one connection at a time, and bounds on everything.

use crate::tls::handshake::provider;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// For each address that a name has.
const CONNECT: Duration = Duration::from_secs(5);
const HANDSHAKE: Duration = Duration::from_secs(10);
/// From the request to the end of the answer.
const ANSWER: Duration = Duration::from_secs(30);
/// Chains of certificates have some KiB, directories less.
const LONGEST: usize = 512 * 1024;
/// No CA is believed that says "later than that". The library adds it to the clock, unchecked.
const LONGEST_WAIT: u64 = 30 * 24 * 60 * 60;

type Sender = SendRequest<Full<Bytes>>;

/// What a request can be sent over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A client of one CA. What it began ends when all its copies are dropped.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    tls: TlsConnector,
    /// Where the directory is: what comes from there is looked at.
    directory: String,
    /// A connection to use again, and to whom it is.
    kept: Mutex<Option<(String, Sender)>>,
    connections: Mutex<JoinSet<()>>,
    /// When the last answer that was an error wants to be asked again: seconds since the epoch.
    later: Mutex<Option<u64>>,
}

impl Client {
    /// One for this directory. `roots`: by which its server is trusted; `None`: those of the
    /// system, which are read: blocks.
    ///
    /// # Errors
    /// The system has no trusted certificates.
    pub fn new(directory: &str, roots: Option<&Arc<RootCertStore>>) -> io::Result<Client> {
        let roots = match roots {
            Some(roots) => roots.clone(),
            None => Arc::new(of_system()?),
        };
        let config = ClientConfig::builder_with_provider(provider().clone())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Client {
            inner: Arc::new(Inner {
                tls: TlsConnector::from(Arc::new(config)),
                directory: directory.to_string(),
                kept: Mutex::default(),
                connections: Mutex::default(),
                later: Mutex::default(),
            }),
        })
    }

    /// When the last answer that was an error wants to be asked again: seconds since the Unix epoch.
    pub fn later(&self) -> Option<u64> {
        *locked(&self.inner.later)
    }

    async fn send(self, request: Request<BodyWrapper<Bytes>>) -> io::Result<Response<Bytes>> {
        let (mut parts, body) = request.into_parts();
        let body = body
            .collect()
            .await
            .map_or(Bytes::new(), |body| body.to_bytes());
        let uri = std::mem::take(&mut parts.uri);
        if uri.scheme_str() != Some("https") {
            return Err(io::Error::other(format!(
                "the CA names {uri}, which is not https"
            )));
        }
        let to = authority(&uri, 443)?;
        parts.uri = origin_form(&uri)?;
        let host = uri.authority().map_or("", |a| a.as_str());
        parts
            .headers
            .insert(HOST, HeaderValue::from_str(host).map_err(io::Error::other)?);
        // RFC 8555 section 6.1: who it is, and by which library.
        let library = parts
            .headers
            .get(USER_AGENT)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("");
        let agent = format!("parvis/{} {library}", env!("CARGO_PKG_VERSION"));
        let agent = HeaderValue::from_str(agent.trim()).map_err(io::Error::other)?;
        parts.headers.insert(USER_AGENT, agent);
        let is_directory = parts.method == Method::GET && uri == self.inner.directory.as_str();
        let answer = timeout(ANSWER, self.exchange(&to, parts, body))
            .await
            .map_err(|_| slow(&to))??;
        self.judge(answer, &uri, is_directory)
    }

    async fn exchange(
        &self,
        to: &str,
        parts: http::request::Parts,
        body: Bytes,
    ) -> io::Result<Response<Bytes>> {
        let request = || Request::from_parts(parts.clone(), Full::new(body.clone()));
        let kept = locked(&self.inner.kept)
            .take()
            .filter(|(whose, _)| whose == to);
        if let Some((_, mut sender)) = kept
            && sender.ready().await.is_ok()
        {
            // The server may have closed it at this moment: then once more on a new one.
            if let Ok(answer) = self.over(to, sender, request()).await {
                return Ok(answer);
            }
        }
        let stream = connect(to).await?;
        let name = host_of(to);
        let name = ServerName::try_from(name.to_string()).map_err(io::Error::other)?;
        let tls = timeout(HANDSHAKE, self.inner.tls.connect(name, stream))
            .await
            .map_err(|_| slow(to))?
            .map_err(|error| io::Error::other(format!("no TLS with {to}: {error}")))?;
        let (sender, connection) = handshake(TokioIo::new(Box::new(tls) as Box<dyn Stream>))
            .await
            .map_err(|error| told(to, &error))?;
        {
            let mut connections = locked(&self.inner.connections);
            while connections.try_join_next().is_some() {}
            connections.spawn(async move {
                // How it ends is told by its requests.
                let _ = connection.await;
            });
        }
        self.over(to, sender, request()).await
    }

    async fn over(
        &self,
        to: &str,
        mut sender: Sender,
        request: Request<Full<Bytes>>,
    ) -> io::Result<Response<Bytes>> {
        let answer = sender.send_request(request).await;
        let (parts, body) = answer.map_err(|error| told(to, &error))?.into_parts();
        let body = Limited::new(body, LONGEST)
            .collect()
            .await
            .map_err(|error| {
                io::Error::other(format!("the answer of {to} is broken or too long: {error}"))
            })?;
        *locked(&self.inner.kept) = Some((to.to_string(), sender));
        Ok(Response::from_parts(parts, body.to_bytes()))
    }

    /// What the library would stumble over is an error here, in words.
    fn judge(
        &self,
        mut answer: Response<Bytes>,
        uri: &Uri,
        is_directory: bool,
    ) -> io::Result<Response<Bytes>> {
        let status = answer.status();
        let wait = answer
            .headers_mut()
            .remove(RETRY_AFTER)
            .and_then(|v| seconds(&v));
        if let Some(wait) = wait {
            answer
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(wait));
        }
        if status.is_client_error() || status.is_server_error() {
            *locked(&self.inner.later) =
                wait.map(|wait| crate::tls::clock::now().saturating_add(wait));
        }
        let failed = |what: &str| Err(io::Error::other(format!("{uri} answered {status}{what}")));
        if is_directory {
            if !status.is_success() {
                return failed(": is `directory` right?");
            }
            if !is_sound_directory(answer.body()) {
                return failed(", but with no directory of a CA: is `directory` right?");
            }
        } else if !status.is_success() {
            let json = answer
                .headers()
                .get(CONTENT_TYPE)
                .and_then(|v| v.to_str().ok());
            let problem = json.is_some_and(|kind| kind.contains("json"))
                && serde_json::from_slice::<serde_json::Value>(answer.body())
                    .is_ok_and(|value| value.is_object());
            if !problem {
                return failed("");
            }
        }
        Ok(answer)
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move {
            let answer = client.send(request).await;
            let answer = answer.map_err(|error| instant_acme::Error::Other(Box::new(error)))?;
            let (parts, body) = answer.into_parts();
            Ok(BytesResponse {
                parts,
                body: Box::new(body),
            })
        })
    }
}

/// The status that a plain HTTP server answers `GET uri` with.
///
/// # Errors
/// It cannot be reached, or did not answer.
pub async fn status_of(uri: &Uri) -> io::Result<StatusCode> {
    let to = authority(uri, 80)?;
    let (mut sender, connection) = handshake(TokioIo::new(connect(&to).await?))
        .await
        .map_err(|error| told(&to, &error))?;
    let host = uri.authority().map_or("", |a| a.as_str());
    let request = Request::get(origin_form(uri)?)
        .header(HOST, host)
        .header(USER_AGENT, concat!("parvis/", env!("CARGO_PKG_VERSION")))
        .body(Full::<Bytes>::default())
        .map_err(io::Error::other)?;
    // The status is all that matters: the connection is closed after it.
    let mut answer = std::pin::pin!(sender.send_request(request));
    let answer = tokio::select! {
        answer = &mut answer => answer,
        // It may have brought the answer, and ended.
        _ = connection => answer.await,
    };
    Ok(answer.map_err(|error| told(&to, &error))?.status())
}

async fn connect(to: &str) -> io::Result<TcpStream> {
    let away =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot reach {to}: {error}"));
    let addresses = timeout(HANDSHAKE, tokio::net::lookup_host(to));
    let addresses = addresses.await.map_err(|_| slow(to))?.map_err(away)?;
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(away(last))
}

/// The certificates that the system trusts.
fn of_system() -> io::Result<RootCertStore> {
    let help = "no certificates that this system trusts (Debian: apt install ca-certificates)";
    let found = rustls_native_certs::load_native_certs()
        .map_err(|error| io::Error::other(format!("{help}: {error}")))?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found);
    match roots.is_empty() {
        true => Err(io::Error::other(help)),
        false => Ok(roots),
    }
}

/// Whether the library can work with it: it takes these URLs as they are.
fn is_sound_directory(body: &[u8]) -> bool {
    let Ok(directory) = serde_json::from_slice::<serde_json::Value>(body) else {
        return false;
    };
    let url = |key: &str| {
        let text = directory.get(key).and_then(|value| value.as_str());
        text.is_some_and(|text| text.parse::<Uri>().is_ok())
    };
    ["newNonce", "newAccount", "newOrder"].into_iter().all(url)
}

/// `Retry-After` (RFC 9110 section 10.2.3) in seconds from now.
fn seconds(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?.trim();
    let seconds = match text.bytes().all(|b| b.is_ascii_digit()) {
        // So many digits that they are no number: late.
        true => text.parse().unwrap_or(u64::MAX),
        false => {
            let date = httpdate::parse_http_date(text).ok()?;
            let date = date.duration_since(UNIX_EPOCH).ok()?;
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            date.saturating_sub(now).as_secs()
        }
    };
    (!text.is_empty()).then_some(seconds.min(LONGEST_WAIT))
}

/// Host and port, to connect to.
fn authority(uri: &Uri, port: u16) -> io::Result<String> {
    let host = uri
        .host()
        .ok_or_else(|| io::Error::other("a URL without a host"))?;
    Ok(format!("{host}:{}", uri.port_u16().unwrap_or(port)))
}

/// The host of `HOST:PORT`, an IPv6 address without its brackets.
fn host_of(authority: &str) -> &str {
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

/// What stands in the request line (RFC 9112 section 3.2.1).
fn origin_form(uri: &Uri) -> io::Result<Uri> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    path.parse().map_err(io::Error::other)
}

fn slow(to: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        format!("{to} does not answer in time"),
    )
}

fn told(to: &str, error: &hyper::Error) -> io::Error {
    io::Error::other(format!("no answer of {to}: {error}"))
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
