//! A secret in a file, which several edges have.

use super::Secret;
use crate::config::{At, Diagnostic, Diagnostics, FilePath};
use crate::tls::pem::{read_file, warn_if_public};
use aws_lc_rs::digest::{SHA256, digest};

/// 32 random bytes in hexadecimal, which is the least dense that somebody would write.
const LEAST: usize = 64;
/// So many different bytes. 64 random digits in hexadecimal have fewer than 9 of 16 once in 10^12
/// times; what has fewer is a mistake (`0000...`).
const LEAST_DIFFERENT: usize = 9;

/// Reads the file. What is wrong with it is in `errors`.
///
/// How the secret is written does not matter (hexadecimal, base64, raw): all of the file counts,
/// but for white space around it.
pub fn read(file: &At<FilePath>, errors: &mut Diagnostics) -> Option<Secret> {
    let path = &file.value.0;
    let shown = path.display();
    let bytes = read_file(path, "a random secret")
        .map_err(|fault| errors.push(fault.at(file.place)))
        .ok()?;
    let secret = bytes.trim_ascii();
    let mut seen = [false; 256];
    for byte in secret {
        if let Some(seen) = seen.get_mut(usize::from(*byte)) {
            *seen = true;
        }
    }
    let different = seen.into_iter().filter(|seen| *seen).count();
    let wrong = if secret.len() < LEAST {
        Some((
            format!("the secret in {shown} is too short"),
            format!("{} bytes; at least {LEAST}", secret.len()),
        ))
    } else if different < LEAST_DIFFERENT {
        Some((
            format!("the secret in {shown} is not random"),
            format!("it has only {different} different bytes"),
        ))
    } else {
        None
    };
    if let Some((what, label)) = wrong {
        let help = format!("openssl rand -hex 64 > {shown}");
        errors.push(Diagnostic::new(file.place, what).label(label).help(help));
        return None;
    }
    warn_if_public(file, "the tickets' secret", errors);
    digest(&SHA256, secret).as_ref().try_into().ok()
}
