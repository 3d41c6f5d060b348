//! Names of certificates as text (RFC 4514).

use std::fmt::Write as _;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// A name, its last part first: `CN=client,O=Example`. Visible ASCII and spaces alone: anything
/// else is escaped by its bytes (RFC 4514 section 2.4), so that it may stand in a field.
pub fn text(name: &X509Name<'_>) -> String {
    let parts: Vec<&_> = name.iter_rdn().collect();
    let mut out = String::new();
    for part in parts.into_iter().rev() {
        if !out.is_empty() {
            out.push(',');
        }
        for (index, attribute) in part.iter().enumerate() {
            if index > 0 {
                out.push('+');
            }
            write_attribute(&mut out, attribute);
        }
    }
    out
}

fn write_attribute(out: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    let oid = attribute.attr_type().to_id_string();
    let name = short(&oid);
    out.push_str(name.unwrap_or(&oid));
    out.push('=');
    match string(attribute) {
        // The value of a type without a name is given as its DER.
        Some(value) if name.is_some() => write_escaped(out, &value),
        _ => write_der(out, attribute),
    }
}

/// Names of attributes: those of RFC 4514 section 3, and some that LDAP knows beside them.
fn short(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.42" => "givenName",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        _ => return None,
    })
}

/// The value when it is one of the kinds of strings that certificates have.
fn string(attribute: &AttributeTypeAndValue<'_>) -> Option<String> {
    const BMP_STRING: u32 = 30;
    if attribute.attr_value().header.tag().0 == BMP_STRING {
        let bytes = attribute.as_slice().chunks_exact(2);
        let units = bytes.map(|pair| pair.iter().fold(0u16, |unit, b| unit << 8 | u16::from(*b)));
        return char::decode_utf16(units).collect::<Result<_, _>>().ok();
    }
    attribute.as_str().ok().map(str::to_string)
}

fn write_escaped(out: &mut String, value: &str) {
    let last = value.len().saturating_sub(1);
    for (at, char) in value.char_indices() {
        match char {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => {
                out.push('\\');
                out.push(char);
            }
            // Not `\ `: as the last character of a field it would be white space, and be lost.
            ' ' if at == last => out.push_str("\\20"),
            ' ' | '#' if at == 0 => {
                out.push('\\');
                out.push(char);
            }
            ' '..='~' => out.push(char),
            _ => {
                for byte in char.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(out, "\\{byte:02X}");
                }
            }
        }
    }
}

fn write_der(out: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    let value = attribute.attr_value();
    let data = attribute.as_slice();
    let tag = u8::try_from(value.header.tag().0 & 0x1f).unwrap_or(0);
    let constructed = u8::from(value.header.constructed()) << 5;
    let _ = write!(out, "#{:02X}", tag | constructed);
    let length = data.len();
    if length < 0x80 {
        let _ = write!(out, "{length:02X}");
    } else {
        let bytes = length.to_be_bytes();
        let bytes: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
        let _ = write!(out, "{:02X}", bytes.len() | 0x80);
        write_hex(out, &bytes);
    }
    write_hex(out, data);
}

fn write_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(out, "{byte:02X}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    fn subject(parts: &[(DnType, DnValue)]) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in parts {
            params.distinguished_name.push(kind.clone(), value.clone());
        }
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate.der()).unwrap();
        text(parsed.subject())
    }

    #[test]
    fn names_are_written_as_ldap_writes_them() {
        let utf8 = |text: &str| DnValue::Utf8String(text.to_string());
        assert_eq!(subject(&[]), "");
        let parts = [
            (DnType::CountryName, utf8("DE")),
            (DnType::OrganizationName, utf8("Sue, Grabbit and Runn")),
            (DnType::CommonName, utf8("L. Eagle")),
        ];
        assert_eq!(
            subject(&parts),
            "CN=L. Eagle,O=Sue\\, Grabbit and Runn,C=DE"
        );
        for (value, written) in [
            ("# a ", "CN=\\# a\\20"),
            ("a\r\nX-Evil: 1", "CN=a\\0D\\0AX-Evil: 1"),
            ("Lučić", "CN=Lu\\C4\\8Di\\C4\\87"),
            ("a+b;<c>\"\\", "CN=a\\+b\\;\\<c\\>\\\"\\\\"),
            (" ", "CN=\\20"),
        ] {
            let written_as = subject(&[(DnType::CommonName, utf8(value))]);
            assert_eq!(written_as, written);
        }
    }

    #[test]
    fn what_has_no_name_is_given_by_its_der() {
        let odd = DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 1466, 0]);
        let value = DnValue::Utf8String("Hi".to_string());
        assert_eq!(
            subject(&[(odd.clone(), value)]),
            "1.3.6.1.4.1.1466.0=#0C024869"
        );
        let long = DnValue::Utf8String("x".repeat(200));
        let written = subject(&[(odd, long)]);
        assert!(
            written.starts_with("1.3.6.1.4.1.1466.0=#0C81C87878"),
            "{written}"
        );
        let wide = DnValue::BmpString("Ä".to_string().try_into().unwrap());
        assert_eq!(subject(&[(DnType::CommonName, wide)]), "CN=\\C3\\84");
    }
}
