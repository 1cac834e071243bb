//! Accounts, their passwords and tokens, and the record of changes.

use argon2::Argon2;
use argon2::password_hash::rand_core::{OsRng, RngCore as _};
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};

use super::Engine;
use crate::account::{Account, AuditEntry, Guard, Role};
use crate::artifacts::run_blocking;
use crate::digest::{Hasher, Sha256};
use crate::error::{Error, Result};
use crate::model::Id;
use crate::name::Name;

/// Fewest bytes of a password.
const SHORTEST_PASSWORD: usize = 8;
/// How a token begins, so that people and scanners see what it is.
const TOKEN: &str = "debpoint_";

impl Engine {
    /// Creates an account. A publisher has repositories that it may change; nobody else has.
    pub async fn create_account(
        &self,
        name: &Name,
        role: Role,
        repositories: &[Name],
        password: &str,
    ) -> Result<()> {
        if name.as_str().contains(':') {
            return Err(Error::Invalid("a user's name cannot hold a colon (RFC 7617 section 2)".into()));
        }
        if password.len() < SHORTEST_PASSWORD {
            return Err(Error::Invalid(format!("the password is shorter than {SHORTEST_PASSWORD} bytes")));
        }
        match (role, repositories.is_empty()) {
            (Role::Publisher, true) => {
                return Err(Error::Invalid(
                    "a publisher needs a repository: name each with --repository".into(),
                ));
            }
            (Role::Administrator | Role::Reader, false) => {
                return Err(Error::Invalid(format!("the role {role} is for all repositories: name none")));
            }
            _ => {}
        }
        let password = password.to_owned();
        let hash = run_blocking(move || hash_password(&password)).await?;
        let mut transaction = self.catalog.begin().await?;
        transaction.create_account(name, (role, repositories), &hash, self.now()).await?;
        transaction.commit().await
    }

    /// All accounts by name.
    pub async fn accounts(&self) -> Result<Vec<Account>> {
        self.catalog.accounts().await
    }

    /// Whether anybody may sign in.
    pub async fn has_accounts(&self) -> Result<bool> {
        self.catalog.has_accounts().await
    }

    /// The account of that name.
    pub async fn account(&self, name: &Name) -> Result<Account> {
        let found = self.catalog.account(name.as_str()).await?;
        found
            .map(|(account, _)| account)
            .ok_or_else(|| Error::NotFound { what: "user", name: name.to_string() })
    }

    /// Deletes an account with its tokens.
    pub async fn delete_account(&self, name: &Name) -> Result<()> {
        let account = self.account(name).await?;
        let mut transaction = self.catalog.begin().await?;
        transaction.delete_account(account.id).await?;
        transaction.commit().await
    }

    /// Makes a token for an account; this is the only time that it can be read.
    pub async fn create_token(&self, account: &Name, name: &Name) -> Result<String> {
        let account = self.account(account).await?;
        let mut random = [0; 32];
        OsRng.fill_bytes(&mut random);
        let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let token = format!("{TOKEN}{hex}");
        let mut transaction = self.catalog.begin().await?;
        transaction.create_token(account.id, name, &digest(&token), self.now()).await?;
        transaction.commit().await?;
        Ok(token)
    }

    /// The names of an account's tokens.
    pub async fn tokens(&self, account: &Name) -> Result<Vec<String>> {
        let account = self.account(account).await?;
        self.catalog.tokens(account.id).await
    }

    /// Deletes a token of an account.
    pub async fn delete_token(&self, account: &Name, name: &Name) -> Result<()> {
        let account = self.account(account).await?;
        let mut transaction = self.catalog.begin().await?;
        if !transaction.delete_token(account.id, name).await? {
            return Err(Error::NotFound { what: "token", name: name.to_string() });
        }
        transaction.commit().await
    }

    /// The account that a name and a password, or one of its tokens in the password's place, are for.
    pub async fn sign_in(&self, name: &str, password: &str) -> Result<Option<Account>> {
        if password.starts_with(TOKEN) {
            let account = self.sign_in_by_token(password).await?;
            return Ok(account.filter(|account| account.name.as_str() == name));
        }
        let found = self.catalog.account(name).await?;
        // As much work for a name that nobody has, so that the time says nothing.
        let (account, hash) = match found {
            Some((account, hash)) => (Some(account), hash),
            None => (None, String::new()),
        };
        let password = password.to_owned();
        let right = run_blocking(move || verify_password(&password, &hash)).await?;
        Ok(account.filter(|_| right))
    }

    /// The account that a token is for.
    pub async fn sign_in_by_token(&self, token: &str) -> Result<Option<Account>> {
        Ok(self.catalog.account_of_token(&digest(token)).await?.map(|(account, _)| account))
    }

    /// All content guards by name.
    pub async fn guards(&self) -> Result<Vec<Guard>> {
        self.catalog.guards().await
    }

    /// Creates a content guard.
    pub async fn create_guard(&self, name: &Name, description: Option<&str>) -> Result<Guard> {
        let mut transaction = self.catalog.begin().await?;
        transaction.create_guard(name, description, self.now()).await?;
        transaction.commit().await?;
        let found = self.catalog.guards().await?.into_iter().find(|guard| guard.name == *name);
        found.ok_or_else(|| Error::NotFound { what: "content guard", name: name.to_string() })
    }

    /// Deletes a content guard, unless a distribution has it.
    pub async fn delete_guard(&self, id: Id) -> Result<()> {
        let mut transaction = self.catalog.begin().await?;
        let distributions = transaction.lock_distributions().await?;
        if let Some(guarded) = distributions.iter().find(|distribution| distribution.guard == Some(id)) {
            return Err(Error::Conflict(format!("distribution '{}' has the content guard", guarded.name)));
        }
        transaction.delete_guard(id).await?;
        transaction.commit().await
    }

    /// Records that somebody asks for a change, before it is made.
    pub async fn record(&self, who: &str, source: &str, what: &str) -> Result<Id> {
        let entry = AuditEntry {
            time: self.now(),
            who: who.to_owned(),
            source: source.to_owned(),
            what: what.to_owned(),
            outcome: None,
        };
        let mut transaction = self.catalog.begin().await?;
        let id = transaction.insert_audit(&entry).await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// Records what came of it.
    pub async fn record_outcome(&self, id: Id, outcome: &str) -> Result<()> {
        let mut transaction = self.catalog.begin().await?;
        transaction.set_outcome(id, outcome).await?;
        transaction.commit().await
    }

    /// The newest `limit` changes, oldest first.
    pub async fn audit(&self, limit: u32) -> Result<Vec<AuditEntry>> {
        self.catalog.audit(i64::from(limit)).await
    }
}

fn hash_password(password: &str) -> Result<String> {
    let salt = SaltString::generate(&mut OsRng);
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string())
        .map_err(|error| Error::Internal(format!("cannot hash a password: {error}")))
}

fn verify_password(password: &str, hash: &str) -> Result<bool> {
    if hash.is_empty() {
        hash_password(password)?;
        return Ok(false);
    }
    let hash = PasswordHash::new(hash)
        .map_err(|error| Error::Corrupt(format!("a password's hash is bad: {error}")))?;
    Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

fn digest(token: &str) -> Sha256 {
    let mut hasher = Hasher::default();
    hasher.update(token.as_bytes());
    hasher.finish().sha256
}
