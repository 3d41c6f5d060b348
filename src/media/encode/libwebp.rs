//! libwebp, called directly: this file alone knows its pointers.
//!
//! The crate `webp` lacks what is needed here: the delay of an animation's last picture, key frames,
//! and a way to stop when the time is over.

use crate::media::{Deadline, Fault, Layout, Picture};
use libwebp_sys as sys;
use std::ffi::{c_int, c_void};
use std::ptr::NonNull;

/// The longest side of a WebP, pixels (RFC 9649: 14 bits).
pub(super) const LONGEST: u32 = 16_383;

/// The longest that a picture of an animation is shown, milliseconds (RFC 9649: 24 bits).
const LONGEST_DELAY: u32 = (1 << 24) - 1;

/// How a picture is written.
pub(super) struct Settings {
    lossless: bool,
    quality: f32,
    method: c_int,
}

impl Settings {
    /// With loss; quality 1 to 100.
    pub fn lossy(quality: u8) -> Self {
        Settings {
            lossless: false,
            quality: f32::from(quality),
            // 4 to 5 % smaller than method 4, which is libwebp's default, for a seventh more time;
            // method 6 wants three times as much for another 2 %.
            method: 5,
        }
    }

    /// Without loss.
    pub fn lossless() -> Self {
        Settings {
            lossless: true,
            // Here it is effort.
            quality: 60.0,
            method: 4,
        }
    }

    fn config(&self) -> Result<sys::WebPConfig, Fault> {
        let Ok(mut config) = sys::WebPConfig::new() else {
            return Err(failed("libwebp of another version"));
        };
        config.lossless = c_int::from(self.lossless);
        config.quality = self.quality;
        config.method = self.method;
        Ok(config)
    }
}

/// Writes one picture of three channels or four.
pub(super) fn still(
    picture: &Picture,
    settings: &Settings,
    deadline: Deadline,
) -> Result<Vec<u8>, Fault> {
    let config = settings.config()?;
    let mut written: Vec<u8> = Vec::new();
    let mut held = Held::of(picture, settings.lossless)?;
    held.0.writer = Some(write);
    held.0.custom_ptr = (&raw mut written).cast();
    held.0.progress_hook = Some(go_on);
    held.0.user_data = (&raw const deadline).cast_mut().cast();
    // SAFETY: `held` was initialised and filled by libwebp; what `custom_ptr` and `user_data` point
    // to is of the types that `write` and `go_on` expect, lives longer than this call, and is used
    // by nothing else meanwhile.
    let done = unsafe { sys::WebPEncode(&raw const config, &raw mut *held.0) } != 0;
    match (done, held.0.error_code) {
        (true, _) => Ok(written),
        (false, sys::WebPEncodingError::VP8_ENC_ERROR_USER_ABORT) => Err(Fault::TooSlow),
        (false, code) => Err(failed(&format!("libwebp: {code:?}"))),
    }
}

/// Takes what libwebp has written.
///
/// # Safety
/// `data` points to `size` bytes, and the picture's `custom_ptr` to a `Vec<u8>` that nothing else
/// uses.
unsafe extern "C" fn write(
    data: *const u8,
    size: usize,
    picture: *const sys::WebPPicture,
) -> c_int {
    if size > 0 && !data.is_null() {
        // SAFETY: as this function's contract has it; libwebp gives the picture it was called with.
        unsafe {
            let written = (*picture).custom_ptr.cast::<Vec<u8>>();
            (*written).extend_from_slice(std::slice::from_raw_parts(data, size));
        }
    }
    1
}

/// Whether there is time left: libwebp asks every few rows.
///
/// # Safety
/// The picture's `user_data` points to a [`Deadline`].
unsafe extern "C" fn go_on(_percent: c_int, picture: *const sys::WebPPicture) -> c_int {
    // SAFETY: as this function's contract has it.
    let deadline = unsafe { *(*picture).user_data.cast::<Deadline>() };
    c_int::from(deadline.check().is_ok())
}

/// A picture in libwebp's own memory.
struct Held(Box<sys::WebPPicture>);

impl Held {
    fn of(picture: &Picture, as_argb: bool) -> Result<Self, Fault> {
        let (width, height) = size(picture.width, picture.height)?;
        let stride = width as usize * picture.layout.bytes();
        if picture.pixels.len() != stride * height as usize {
            return Err(failed("a picture without all its pixels"));
        }
        let Ok(empty) = sys::WebPPicture::new() else {
            return Err(failed("libwebp of another version"));
        };
        let mut held = Held(Box::new(empty));
        held.0.use_argb = c_int::from(as_argb);
        held.0.width = width;
        held.0.height = height;
        let (pixels, stride) = (picture.pixels.as_ptr(), stride as c_int);
        let into = &raw mut *held.0;
        // SAFETY: the picture was initialised by libwebp, which allocates what it needs for the
        // size above, and reads `height` rows of `stride` bytes: as many as there are, see above.
        let done = unsafe {
            match picture.layout {
                Layout::Rgb => sys::WebPPictureImportRGB(into, pixels, stride),
                Layout::Rgba => sys::WebPPictureImportRGBA(into, pixels, stride),
                Layout::Gray => 0,
            }
        };
        match done != 0 {
            true => Ok(held),
            false => Err(failed("libwebp: no memory")),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: initialised by libwebp; it frees what it allocated, which may be nothing.
        unsafe { sys::WebPPictureFree(&raw mut *self.0) }
    }
}

/// An animation that is being written.
pub(super) struct Animation {
    encoder: NonNull<sys::WebPAnimEncoder>,
    size: (u32, u32),
    /// When the next picture begins, milliseconds from the start.
    time: c_int,
}

impl Animation {
    /// An animation of this size, pixels. `loops`: how often it is shown, 0 for ever.
    /// `both_ways`: each picture is tried with and without loss.
    pub fn new(of_size: (u32, u32), loops: u32, both_ways: bool) -> Result<Self, Fault> {
        let (width, height) = size(of_size.0, of_size.1)?;
        let version = sys::WebPGetMuxABIVersion();
        let mut options = std::mem::MaybeUninit::<sys::WebPAnimEncoderOptions>::zeroed();
        // SAFETY: `options` is memory for the structure that is to be initialised, and plain
        // integers, for which zeros are values too.
        let mut options = unsafe {
            match sys::WebPAnimEncoderOptionsInitInternal(options.as_mut_ptr(), version) {
                0 => return Err(failed("libwebp of another version")),
                _ => options.assume_init(),
            }
        };
        options.anim_params.loop_count = c_int::try_from(loops.min(0xffff)).unwrap_or(0);
        // Whole pictures now and then, so that a player that jumps has little to draw again:
        // what img2webp and gif2webp take for lossy animations.
        options.kmin = 3;
        options.kmax = 5;
        options.allow_mixed = c_int::from(both_ways);
        // SAFETY: the options were initialised above and are only read during the call.
        let encoder =
            unsafe { sys::WebPAnimEncoderNewInternal(width, height, &raw const options, version) };
        let encoder = NonNull::new(encoder).ok_or_else(|| failed("libwebp: no memory"))?;
        Ok(Animation {
            encoder,
            size: of_size,
            time: 0,
        })
    }

    /// Adds a picture of three channels or four that is shown for `delay` milliseconds.
    pub fn add(&mut self, picture: &Picture, delay: u32, settings: &Settings) -> Result<(), Fault> {
        if (picture.width, picture.height) != self.size {
            return Err(failed("an animation of several sizes"));
        }
        let config = settings.config()?;
        let mut held = Held::of(picture, true)?;
        // SAFETY: the encoder lives until `drop`; the picture and the settings are only used
        // during the call.
        let done = unsafe {
            sys::WebPAnimEncoderAdd(
                self.encoder.as_ptr(),
                &raw mut *held.0,
                self.time,
                &raw const config,
            )
        };
        if done == 0 {
            return Err(self.fault());
        }
        let delay = c_int::try_from(delay.min(LONGEST_DELAY)).unwrap_or(0);
        self.time = match self.time.checked_add(delay) {
            Some(time) => time,
            None => return Err(Fault::Unsupported("an animation of more than 24 days")),
        };
        Ok(())
    }

    /// The animation's bytes.
    pub fn finish(self) -> Result<Vec<u8>, Fault> {
        let (encoder, none) = (self.encoder.as_ptr(), std::ptr::null_mut());
        // SAFETY: the encoder lives until `drop`. A missing picture says when the last one ends.
        if unsafe { sys::WebPAnimEncoderAdd(encoder, none, self.time, std::ptr::null()) } == 0 {
            return Err(self.fault());
        }
        let mut data = sys::WebPData {
            bytes: std::ptr::null(),
            size: 0,
        };
        // SAFETY: as above; `data` is empty and is filled with memory that is ours then.
        let done = unsafe { sys::WebPAnimEncoderAssemble(encoder, &raw mut data) } != 0;
        let written = match done && !data.bytes.is_null() {
            // SAFETY: libwebp says that there are `size` bytes.
            true => unsafe { std::slice::from_raw_parts(data.bytes, data.size) }.to_vec(),
            false => Vec::new(),
        };
        // SAFETY: allocated by libwebp, or null; not used afterwards.
        unsafe { sys::WebPFree(data.bytes.cast_mut().cast::<c_void>()) };
        match written.is_empty() {
            true => Err(self.fault()),
            false => Ok(written),
        }
    }

    /// What went wrong, in libwebp's words.
    fn fault(&self) -> Fault {
        // SAFETY: the encoder lives until `drop`, and so does its text, which ends with a zero.
        let words = unsafe {
            let words = sys::WebPAnimEncoderGetError(self.encoder.as_ptr());
            match words.is_null() {
                true => "an unknown fault".into(),
                false => std::ffi::CStr::from_ptr(words).to_string_lossy(),
            }
        };
        failed(&format!("libwebp: {words}"))
    }
}

impl Drop for Animation {
    fn drop(&mut self) {
        // SAFETY: made by libwebp, and not used afterwards.
        unsafe { sys::WebPAnimEncoderDelete(self.encoder.as_ptr()) }
    }
}

/// A size as libwebp wants it.
fn size(width: u32, height: u32) -> Result<(c_int, c_int), Fault> {
    if width > LONGEST || height > LONGEST {
        return Err(Fault::Unsupported(
            "a WebP of more than 16383 pixels a side",
        ));
    }
    match (c_int::try_from(width), c_int::try_from(height)) {
        (Ok(width @ 1..), Ok(height @ 1..)) => Ok((width, height)),
        _ => Err(failed("a picture without pixels")),
    }
}

fn failed(why: &str) -> Fault {
    Fault::Encoder(why.to_string())
}
