//! A real Chromium, driven by the Chrome DevTools Protocol.

use super::{Folder, until};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tungstenite::{Message, WebSocket};

/// A browser on a busy machine takes longer than anything else here.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a page is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// `"en"` or `"fr-FR"`.
    pub language: &'static str,
    pub dark: bool,
    /// CSS pixels; a telephone when it is narrow.
    pub width: u32,
}

/// A browser with one page in the foreground.
pub struct Browser {
    child: Child,
    _folder: Folder,
    socket: WebSocket<TcpStream>,
    sent: u64,
    session: Option<String>,
    /// What the page's console says of errors and warnings, exceptions and violated policies.
    pub complaints: Vec<String>,
    /// The addresses that the page asked for.
    pub requests: Vec<String>,
    /// The addresses of what came, with its media type.
    pub responses: Vec<(String, String)>,
}

/// Chromium without a window, with a profile of its own in this folder; it asks nobody but the page.
///
/// # Panics
/// When there is none: `tests/run` installs it.
pub fn chromium(folder: &Folder) -> Command {
    let program = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok())
        .expect("Chromium is missing: run `tests/run --install`, which installs it");
    let mut command = Command::new(program);
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
        ])
        .args(["--disable-dev-shm-usage", "--disable-background-networking"])
        .arg("--no-proxy-server")
        .arg(format!(
            "--user-data-dir={}",
            folder.join("profile").display()
        ));
    command
}

impl Browser {
    /// # Panics
    /// When there is no Chromium: `tests/run` installs it.
    pub fn start() -> Self {
        Browser::start_with(&[])
    }

    /// The same with these arguments.
    ///
    /// # Panics
    /// When there is no Chromium: `tests/run` installs it.
    pub fn start_with(arguments: &[String]) -> Self {
        let folder = Folder::new();
        let child = chromium(&folder)
            .args(arguments)
            .args(["--hide-scrollbars", "--remote-debugging-port=0"])
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("err")).unwrap())
            .spawn()
            .unwrap();
        let (port, path) = until("the browser tells its port", || {
            let told = folder.read("profile/DevToolsActivePort");
            let (port, path) = told.split_once('\n')?;
            Some((port.parse::<u16>().ok()?, path.trim().to_string()))
        });
        let stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let url = format!("ws://127.0.0.1:{port}{path}");
        let (socket, _) = tungstenite::client::client(url, stream).unwrap();
        Browser {
            child,
            _folder: folder,
            socket,
            sent: 0,
            session: None,
            complaints: Vec::new(),
            requests: Vec::new(),
            responses: Vec::new(),
        }
    }

    /// Opens an address in a page of its own, with nothing remembered of the ones before.
    pub fn open(&mut self, url: &str, look: Look) {
        self.open_on(url, look, 1.0);
    }

    /// The same on a screen with so many pixels for one of CSS.
    pub fn open_on(&mut self, url: &str, look: Look, ratio: f64) {
        self.session = None;
        let context = self.call("Target.createBrowserContext", json!({}));
        let target = json!({
            "url": "about:blank", "browserContextId": context["browserContextId"],
        });
        let target = self.call("Target.createTarget", target)["targetId"].clone();
        let attached = self.call(
            "Target.attachToTarget",
            json!({ "targetId": target, "flatten": true }),
        );
        self.session = attached["sessionId"].as_str().map(String::from);
        self.complaints.clear();
        self.requests.clear();
        self.responses.clear();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
        let source = "document.addEventListener('securitypolicyviolation', (event) => \
            console.error('policy', event.violatedDirective, event.blockedURI))";
        self.call(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({ "source": source }),
        );
        let mobile = look.width < 600;
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": look.width, "height": 900, "deviceScaleFactor": ratio, "mobile": mobile }),
        );
        let scheme = if look.dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        );
        let agent = json!({ "userAgent": "Mozilla/5.0 Chrome for a test", "acceptLanguage": look.language });
        self.call("Emulation.setUserAgentOverride", agent);
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// What an expression is.
    ///
    /// # Panics
    /// When it throws.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let question = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true,
        });
        let answer = self.call("Runtime.evaluate", question);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer:#}"
        );
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true. A page that is on its way has none yet.
    pub fn until(&mut self, expression: &str) {
        let end = Instant::now() + PATIENCE;
        let question = json!({ "expression": expression, "returnByValue": true });
        loop {
            let answer = self.try_call("Runtime.evaluate", question.clone());
            if answer.is_ok_and(|answer| answer["result"]["value"] == true) {
                return;
            }
            if Instant::now() > end {
                let shown = self.evaluate("document.documentElement?.outerHTML.slice(0, 3000)");
                panic!("never {expression}\n{:#?}\n{shown}", self.complaints);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Keeps a picture of the whole page.
    pub fn screenshot(&mut self, path: &Path) {
        let question = json!({ "format": "png", "captureBeyondViewport": true });
        let picture = self.call("Page.captureScreenshot", question);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, decoded(picture["data"].as_str().unwrap())).unwrap();
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        let answer = self.try_call(method, parameters);
        answer.unwrap_or_else(|error| panic!("{method}: {error:#}"))
    }

    fn try_call(&mut self, method: &str, parameters: Value) -> Result<Value, Value> {
        self.sent += 1;
        let mut message = json!({ "id": self.sent, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.socket
            .send(Message::text(message.to_string()))
            .unwrap();
        loop {
            let text = match self.socket.read().unwrap() {
                Message::Text(text) => text,
                _ => continue,
            };
            let told: Value = serde_json::from_str(text.as_str()).unwrap();
            if told["id"] == self.sent {
                return match &told["error"] {
                    Value::Null => Ok(told["result"].clone()),
                    error => Err(error.clone()),
                };
            }
            if told["sessionId"].as_str() == self.session.as_deref() {
                self.note(&told);
            }
        }
    }

    fn note(&mut self, event: &Value) {
        let told = &event["params"];
        match event["method"].as_str().unwrap_or("") {
            "Network.requestWillBeSent" => {
                let url = told["request"]["url"].as_str().unwrap();
                self.requests.push(url.to_string());
            }
            "Network.responseReceived" => {
                let text = |name: &str| told["response"][name].as_str().unwrap_or("").to_string();
                self.responses.push((text("url"), text("mimeType")));
            }
            "Log.entryAdded" if told["entry"]["level"] != "verbose" => {
                self.complaints.push(told["entry"].to_string());
            }
            "Runtime.exceptionThrown" => self.complaints.push(told.to_string()),
            "Runtime.consoleAPICalled" if told["type"] != "log" => {
                self.complaints.push(told["args"].to_string());
            }
            "Page.javascriptDialogOpening" => self.complaints.push(told.to_string()),
            _ => {}
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Base64 (RFC 4648 section 4).
fn decoded(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text
        .bytes()
        .filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte));
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_usize, 0);
    for digit in digits {
        held = (held << 6 | digit) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
        }
    }
    bytes
}
