//! Client hints: what the browser says of the size, and that the answer depends on it.

use crate::support::Reply;
use crate::support::pictures::look;
use crate::{client, photograph, serve};

const WIDTH: &str = "Accept, Sec-CH-Width, Width";
const RATIO: &str = "Accept, Sec-CH-DPR, DPR";

fn vary(reply: &Reply) -> String {
    reply.all("vary").join(", ")
}

#[test]
fn what_the_browser_says_of_the_size_is_heard() {
    let folder = photograph();
    let parvis = serve(&folder, "");
    let cases = [
        ("", "", (600, 400), WIDTH),
        ("", "Sec-CH-Width: 200\r\n", (300, 200), WIDTH),
        ("", "Width: 200\r\n", (300, 200), WIDTH),
        // The new name comes first.
        ("", "Width: 500\r\nSec-CH-Width: 100\r\n", (150, 100), WIDTH),
        ("", "Sec-CH-Width: 0\r\n", (600, 400), WIDTH),
        ("", "Sec-CH-Width: wide\r\n", (600, 400), WIDTH),
        ("", "Sec-CH-Width: 99999999999\r\n", (600, 400), WIDTH),
        // It says physical pixels.
        (
            "",
            "Sec-CH-Width: 200\r\nSec-CH-DPR: 3\r\n",
            (300, 200),
            WIDTH,
        ),
        // The address is asked first.
        ("w=150", "Sec-CH-Width: 600\r\n", (150, 100), "Accept"),
        ("w=150", "Sec-CH-DPR: 2\r\n", (150, 100), "Accept"),
        ("w=75&dpr=auto", "Sec-CH-DPR: 2\r\n", (150, 100), RATIO),
        ("w=75&dpr=auto", "DPR: 2.0\r\n", (150, 100), RATIO),
        ("w=75&dpr=auto", "", (150, 100), RATIO),
        ("w=100&dpr=auto", "DPR: 1.2\r\n", (150, 100), RATIO),
        ("w=100&dpr=auto", "Sec-CH-DPR: 1.6\r\n", (300, 200), RATIO),
        ("w=100&dpr=auto", "Sec-CH-DPR: 9\r\n", (300, 200), RATIO),
        ("w=150&dpr=auto", "Sec-CH-DPR: many\r\n", (150, 100), RATIO),
    ];
    let replies = cases.map(|(query, fields, ..)| {
        let path = format!("/photo.jpg?{query}");
        client(&parvis).request("GET", &path, fields, b"")
    });
    let seen = look(&replies.each_ref().map(|reply| &reply.body));
    for ((case, reply), seen) in cases.iter().zip(&replies).zip(seen) {
        let (query, fields, size, depends) = case;
        assert_eq!(reply.status, 200, "{query} {fields}");
        assert_eq!(seen.size(), *size, "{query} {fields}");
        assert_eq!(vary(reply), *depends, "{query} {fields}");
    }
}

#[test]
fn hints_may_be_off() {
    let folder = photograph();
    let parvis = serve(&folder, "client_hints = false");
    let fields = "Sec-CH-Width: 100\r\nSec-CH-DPR: 2\r\n";
    let cases = [("", (600, 400)), ("w=150&dpr=auto", (150, 100))];
    for (query, size) in cases {
        let path = format!("/photo.jpg?{query}");
        let reply = client(&parvis).request("GET", &path, fields, b"");
        assert_eq!(vary(&reply), "Accept", "{query}");
        assert_eq!(look(&[reply.body])[0].size(), size, "{query}");
    }
}
