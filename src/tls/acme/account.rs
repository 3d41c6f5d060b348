//! Accounts at CAs: made once for each directory, contact and external account, and kept.

use super::client::Client;
use super::failure::Failure;
use super::policy::Policy;
use super::storage;
use instant_acme::{Account, AccountCredentials, ExternalAccountKey, NewAccount};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// How often it is looked whether another process has made the account.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Where the account of this policy lies.
pub fn path(root: &Path, policy: &Policy) -> PathBuf {
    storage::account(root, &policy.directory, &policy.email, policy.kid())
}

/// The account: the one that lies in the storage, or a new one.
pub async fn open(root: &Path, policy: &Policy, client: &Client) -> Result<Account, Failure> {
    let path = path(root, policy);
    if let Some(kept) = read(&path).await? {
        return restore(kept, policy, client).await;
    }
    // Of several that come here at the same time, in this process or in others, one makes it.
    let _lock = lock(&path).await?;
    if let Some(kept) = read(&path).await? {
        return restore(kept, policy, client).await;
    }
    create(&path, policy, client).await
}

/// Puts an account away that the CA does not know any more: the next one is new. `refused`: its URL.
pub async fn forget(root: &Path, policy: &Policy, refused: &str) -> Result<(), Failure> {
    let path = path(root, policy);
    let _lock = lock(&path).await?;
    let (from, refused) = (path.clone(), refused.to_string());
    let aside = blocking(move || {
        let kept = storage::read(&from)?;
        let kept = kept.and_then(|text| serde_json::from_slice::<Named>(&text).ok());
        // Somebody else may have made the new one already.
        let same = kept.is_some_and(|kept| kept.id == refused);
        same.then(|| storage::set_aside(&from)).transpose()
    });
    if let Some(aside) = aside.await? {
        tracing::warn!(
            directory = policy.directory, kept = %aside.display(),
            "the CA does not know its account any more: a new one is made"
        );
    }
    Ok(())
}

/// What an account's file has of which account it is.
#[derive(Deserialize)]
struct Named {
    id: String,
}

/// Waits for the lock of an account.
async fn lock(path: &Path) -> Result<storage::Lock, Failure> {
    loop {
        let beside = path.with_extension("lock");
        let locked = blocking(move || storage::lock(&beside)).await?;
        match locked {
            Some(lock) => return Ok(lock),
            None => sleep(LOOK_EVERY).await,
        }
    }
}

async fn read(path: &Path) -> Result<Option<AccountCredentials>, Failure> {
    let from = path.to_path_buf();
    let Some(text) = blocking(move || storage::read(&from)).await? else {
        return Ok(None);
    };
    match serde_json::from_slice(&text) {
        Ok(kept) => Ok(Some(kept)),
        Err(error) => {
            let from = path.to_path_buf();
            let aside = blocking(move || storage::set_aside(&from)).await?;
            // Without its text: a key is in it.
            tracing::warn!(
                line = error.line(), column = error.column(), kept = %aside.display(),
                "an ACME account cannot be read: a new one is made"
            );
            Ok(None)
        }
    }
}

async fn restore(
    kept: AccountCredentials,
    policy: &Policy,
    client: &Client,
) -> Result<Account, Failure> {
    let builder = Account::builder_with_http(Box::new(client.clone()));
    let restored = builder.from_credentials(kept).await;
    restored.map_err(|error| failed(&error, policy, client))
}

async fn create(path: &Path, policy: &Policy, client: &Client) -> Result<Account, Failure> {
    let mailto = format!("mailto:{}", policy.email);
    let contact: &[&str] = match policy.email.is_empty() {
        true => &[],
        false => &[&mailto],
    };
    let new = NewAccount {
        contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let external = policy.external.as_ref();
    let external = external.map(|(kid, key)| ExternalAccountKey::new(kid.clone(), key));
    let builder = Account::builder_with_http(Box::new(client.clone()));
    let made = builder
        .create(&new, policy.directory.clone(), external.as_ref())
        .await;
    let (account, credentials) = made.map_err(|error| failed(&error, policy, client))?;
    let text = serde_json::to_vec(&credentials)
        .map_err(|error| Failure::storage(&error.into(), "the account cannot be kept"))?;
    let to = path.to_path_buf();
    blocking(move || storage::write(&to, &text)).await?;
    tracing::info!(
        directory = policy.directory,
        account = account.id(),
        "ACME account made"
    );
    Ok(account)
}

fn failed(error: &instant_acme::Error, policy: &Policy, client: &Client) -> Failure {
    let doing = format!("no account at {}", policy.directory);
    let mut failure = Failure::of(error, &doing, client.later(), &[]).for_all();
    if failure.problem.as_deref() == Some("externalAccountRequired") {
        failure
            .message
            .push_str("; the CA gives name and key of an account for `eab`");
    }
    failure
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    let done = spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)));
    done.map_err(|error| Failure::storage(&error, "the storage of accounts cannot be used"))
}

#[cfg(test)]
mod tests {
    use super::super::order::tests::{Folder, built};
    use super::*;

    #[tokio::test]
    async fn the_account_that_another_has_made_meanwhile_stays() {
        let folder = Folder::new();
        let policy = built(&folder.0, "", &["a.example"]).unwrap().policy.clone();
        let file = path(&folder.0, &policy);
        // There is none.
        forget(&folder.0, &policy, "https://ca/1").await.unwrap();
        storage::write(&file, br#"{"id":"https://ca/2","key_pkcs8":""}"#).unwrap();
        forget(&folder.0, &policy, "https://ca/1").await.unwrap();
        assert!(file.exists());
        forget(&folder.0, &policy, "https://ca/2").await.unwrap();
        assert!(!file.exists());
    }
}
