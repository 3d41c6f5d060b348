//! Pictures from apps: which answers are gathered and converted, and that all others pass as they
//! came.

mod support;

#[path = "images_app/app.rs"]
mod app;
#[path = "images_app/converted.rs"]
mod converted;
#[path = "images_app/fields.rs"]
mod fields;
#[path = "images_app/passing.rs"]
mod passing;
#[path = "images_app/streams.rs"]
mod streams;

use app::{App, app};
use support::{Parvis, Reply};

/// What takes WebP, as all browsers do.
const WEBP: &str = "Accept: image/webp,*/*\r\n";

/// Only what is quick to make: what is answered first is what is answered from then on. A busy
/// machine takes its time.
const QUICK: &str =
    "images = { formats = [\"webp\"], client_hints = false, wait = \"15s\", timeout = \"60s\" }";

/// parvis before the app, one worker, with these lines in the route.
struct Edge {
    parvis: Parvis,
    app: App,
}

fn edge(route: &str) -> Edge {
    let app = app();
    let parvis = Parvis::start(&format!(
        "[server]\nthreads = 1\n[media]\nstorage = \"@DIR/variants\"\n\
         [upstream.app]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n{route}\n",
        app.backend.address()
    ));
    Edge { parvis, app }
}

impl Edge {
    /// `GET path` with these fields, on a connection of its own.
    fn get(&self, path: &str, fields: &str) -> Reply {
        self.parvis.client().request("GET", path, fields, b"")
    }

    /// Variants made so far.
    fn made(&self) -> f64 {
        let made = |format| {
            let series = format!("parvis_images_made_total{{format=\"{format}\"}}");
            self.parvis.metric(&series)
        };
        ["webp", "avif", "png", "jpeg"].into_iter().map(made).sum()
    }
}

/// Width and height of a picture.
fn size(bytes: &[u8]) -> (u32, u32) {
    let picture = image::load_from_memory(bytes).unwrap();
    (picture.width(), picture.height())
}

fn content_type(reply: &Reply) -> String {
    reply.field("content-type").unwrap_or_default()
}
