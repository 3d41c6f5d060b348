//! The databases in force, and their files watched.
//!
//! Files are looked at, not notified of: that sees network file systems, symbolic links and renames
//! alike. A file that changed is left alone until two looks in a row see it the same, so that one that
//! is still being written is not read again and again. A new file that is broken changes nothing: the
//! database that was read before stays.

use super::database::{Database, Role};
use super::mapped::Stamp;
use super::trouble::{GeoTrouble, Wrong};
use super::{GeoPaths, Geography};
use std::path::PathBuf;
use std::sync::Arc;

/// The databases in force. Owned by one thread, which gives [`Atlas::current`] to others.
#[derive(Debug)]
pub struct Atlas {
    current: Arc<Geography>,
    watched: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    role: Role,
    path: PathBuf,
    /// The file that is in force.
    loaded: Option<Stamp>,
    /// Another one, as the last look saw it; within, `None` for no file.
    resting: Option<Option<Stamp>>,
    /// One that is known to be broken.
    refused: Option<Option<Stamp>>,
    trouble: Option<GeoTrouble>,
}

impl Atlas {
    /// Opens and checks all databases.
    ///
    /// # Errors
    /// The first file that cannot be used, why, and what to do.
    pub fn open(paths: GeoPaths) -> Result<Self, GeoTrouble> {
        let geography = Geography::open(&paths)?;
        let watch = |role| {
            Some(Watched {
                role,
                path: paths.of(role)?.to_path_buf(),
                loaded: geography.get(role).and_then(|database| database.stamp()),
                resting: None,
                refused: None,
                trouble: None,
            })
        };
        Ok(Atlas {
            watched: Role::ALL.into_iter().filter_map(watch).collect(),
            current: Arc::new(geography),
        })
    }

    /// The databases in force. Who holds this goes on with them when newer ones come.
    pub fn current(&self) -> &Arc<Geography> {
        &self.current
    }

    /// What is wrong now with files that changed; what was read before is in force. Also in the log,
    /// once each.
    pub fn troubles(&self) -> impl Iterator<Item = &GeoTrouble> {
        self.watched.iter().filter_map(|w| w.trouble.as_ref())
    }

    /// Looks whether files changed, and reads those that did and rest. To be called every few
    /// seconds; costs a `stat` per file, and when one changed its reading and checking: 6 ms for the 8
    /// MB of a country database, 80 ms for the 63 MB of a city database. Whoever looks addresses up
    /// meanwhile is not held up. Returns whether [`Atlas::current`] is another one now.
    pub fn look(&mut self) -> bool {
        let mut changed = false;
        for watched in &mut self.watched {
            if let Some(database) = watched.look() {
                let database = Arc::new(database);
                let current = self.current.with(watched.role, database);
                self.current = Arc::new(current);
                changed = true;
            }
        }
        changed
    }
}

impl Watched {
    /// The database of a file that is new, rests and is sound.
    fn look(&mut self) -> Option<Database> {
        let now = Stamp::at(&self.path);
        if now.is_some() && now == self.loaded {
            self.settled("is back as it was");
            return None;
        }
        if self.refused == Some(now) {
            return None;
        }
        if self.resting.replace(now) != Some(now) {
            return None;
        }
        match Database::open(&self.path, self.role) {
            Ok(database) => {
                self.loaded = database.stamp();
                let about = database.about();
                tracing::info!(
                    file = %self.path.display(), kind = about.kind, built = about.built,
                    "geoip.{}: a new database is in force", self.role.key()
                );
                self.settled("is sound again");
                Some(database)
            }
            // It moved on since the look: it does not rest yet.
            Err(GeoTrouble {
                wrong: Wrong::Busy, ..
            }) => None,
            Err(trouble) => {
                self.refused = trouble.wrong.lies_in_content().then_some(now);
                if self.trouble.as_ref() != Some(&trouble) {
                    tracing::warn!("{trouble}. The database read before stays in force");
                    self.trouble = Some(trouble);
                }
                None
            }
        }
    }

    fn settled(&mut self, how: &str) {
        self.resting = None;
        self.refused = None;
        if self.trouble.take().is_some() {
            let path = self.path.display();
            tracing::info!("geoip.{}: {path} {how}", self.role.key());
        }
    }
}
