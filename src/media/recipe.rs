//! What a variant is made like.

use super::Format;
use aws_lc_rs::digest::{SHA256, digest};
use std::fmt;

/// Changes when the same recipe makes other bytes: variants kept by an older parvis are not used then.
/// The numbers of formats and fits are part of it: they are counted in the order written.
const EDITION: u32 = 1;

/// Bytes of a SHA-256 (FIPS 180-4), and of a recipe as it is hashed.
const HASH: usize = 32;
const BYTES: usize = 20;

/// How a picture is brought into a box of width and height (CSS Images 3, `object-fit`). Nothing is
/// ever enlarged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fit {
    /// As large as fits into the box.
    Inside,
    /// As large as fits, and the rest of the box is filled with the background.
    Contain,
    /// The box is filled, and what stands out is cut off on both sides alike.
    Cover,
}

impl Fit {
    /// As `?fit=` has it.
    pub fn name(self) -> &'static str {
        match self {
            Fit::Inside => "inside",
            Fit::Contain => "contain",
            Fit::Cover => "cover",
        }
    }
}

/// All that a variant depends on, beside the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Recipe {
    /// Of the box, pixels. `None`: any.
    pub width: Option<u32>,
    /// Of the box, pixels. `None`: any.
    pub height: Option<u32>,
    /// How it is brought into the box.
    pub fit: Fit,
    /// Standard deviation of a Gaussian blur, pixels of the variant; 0: none.
    pub blur: u8,
    /// 1 to 100, as JPEG and WebP count it.
    pub quality: u8,
    /// What it is written as.
    pub format: Format,
    /// Red, green and blue behind what is transparent, where the format has no transparency, and
    /// around what does not fill its box.
    pub background: [u8; 3],
    /// Whether it is made also when it is larger than the original: the client cannot show that, or
    /// asked for this format by name.
    pub always: bool,
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.background;
        let side = |side: Option<u32>| side.map_or("any".to_string(), |side| side.to_string());
        let (width, height) = (side(self.width), side(self.height));
        let (fit, format) = (self.fit.name(), self.format.name());
        write!(
            f,
            "{width}x{height} {fit} blur {} quality {} {format} #{red:02x}{green:02x}{blue:02x}{}",
            self.blur,
            self.quality,
            if self.always { " always" } else { "" }
        )
    }
}

impl Recipe {
    /// All of it in few bytes: this is hashed for each request. Sides are at least 1, so that 0 says
    /// that there is none.
    fn bytes(&self) -> [u8; BYTES] {
        let [w0, w1, w2, w3] = self.width.unwrap_or(0).to_be_bytes();
        let [h0, h1, h2, h3] = self.height.unwrap_or(0).to_be_bytes();
        let [e0, e1, e2, e3] = EDITION.to_be_bytes();
        let [red, green, blue] = self.background;
        let (fit, format) = (self.fit as u8, self.format as u8);
        let (blur, quality, always) = (self.blur, self.quality, u8::from(self.always));
        [
            e0, e1, e2, e3, w0, w1, w2, w3, h0, h1, h2, h3, fit, blur, quality, format, red, green,
            blue, always,
        ]
    }
}

/// What an original is, told by its bytes: their SHA-256. Whoever uploads files cannot make two
/// that are told to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentKey(pub [u8; HASH]);

impl ContentKey {
    /// The key of these bytes.
    pub fn of(original: &[u8]) -> Self {
        let mut key = [0; HASH];
        let hash = digest(&SHA256, original);
        for (byte, of) in key.iter_mut().zip(hash.as_ref()) {
            *byte = *of;
        }
        ContentKey(key)
    }
}

/// What a variant is: the original's key and the recipe, in 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VariantKey(pub [u8; 16]);

impl VariantKey {
    /// The key of what this recipe makes of this original.
    pub fn of(original: &ContentKey, recipe: &Recipe) -> Self {
        let mut whole = [0; HASH + BYTES];
        let (first, rest) = whole.split_at_mut(HASH);
        first.copy_from_slice(&original.0);
        rest.copy_from_slice(&recipe.bytes());
        let mut key = [0; 16];
        for (byte, of) in key.iter_mut().zip(digest(&SHA256, &whole).as_ref()) {
            *byte = *of;
        }
        VariantKey(key)
    }
}

impl fmt::Display for VariantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_differs_makes_another_key() {
        let recipe = Recipe {
            width: Some(640),
            height: None,
            fit: Fit::Inside,
            blur: 0,
            quality: 85,
            format: Format::WebP,
            background: [255; 3],
            always: false,
        };
        let original = ContentKey::of(b"one");
        let key = |recipe| VariantKey::of(&original, &recipe);
        let others = [
            VariantKey::of(&ContentKey::of(b"two"), &recipe),
            key(Recipe {
                width: None,
                ..recipe
            }),
            key(Recipe {
                height: Some(640),
                ..recipe
            }),
            key(Recipe {
                fit: Fit::Cover,
                ..recipe
            }),
            key(Recipe { blur: 1, ..recipe }),
            key(Recipe {
                quality: 84,
                ..recipe
            }),
            key(Recipe {
                format: Format::Jpeg,
                ..recipe
            }),
            key(Recipe {
                background: [255, 255, 254],
                ..recipe
            }),
            key(Recipe {
                always: true,
                ..recipe
            }),
        ];
        assert!(!others.contains(&key(recipe)));
        assert_eq!(key(recipe), key(recipe));
        assert_eq!(key(recipe).to_string().len(), 32);
    }
}
