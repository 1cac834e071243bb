//! Accounts, tokens, and the record of changes.

use std::sync::Arc;

use checkpoint_core::Kind;
use checkpoint_core::account::Role;
use checkpoint_core::name::Name;
use checkpoint_testkit::engine::{Database, TestEngine};
use checkpoint_testkit::fake::FakePlugin;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

#[tokio::test]
async fn an_account_signs_in_with_its_password_or_a_token_until_it_is_deleted() {
    for database in Database::all() {
        let test = TestEngine::on(database, Arc::new(FakePlugin::default())).await;
        let engine = &test.engine;
        assert!(!engine.has_accounts().await.unwrap());
        let (ann, bob) = (name("ann"), name("bob"));
        engine.create_account(&ann, Role::Administrator, &[], "correct horse").await.unwrap();
        engine.create_account(&bob, Role::Publisher, &[name("vendor")], "battery staple").await.unwrap();
        let again = engine.create_account(&ann, Role::Reader, &[], "correct horse").await.unwrap_err();
        assert_eq!(again.kind(), Kind::AlreadyExists);
        assert_eq!(engine.sign_in("ann", "correct horse").await.unwrap().unwrap().role, Role::Administrator);
        for (who, password) in [("ann", "battery staple"), ("ann", ""), ("nobody", "correct horse")] {
            assert_eq!(engine.sign_in(who, password).await.unwrap(), None, "{who} {password}");
        }
        let signed_in = engine.sign_in("bob", "battery staple").await.unwrap().unwrap();
        assert!(signed_in.may_change(&name("vendor")) && !signed_in.may_change(&name("other")));
        let token = engine.create_token(&bob, &name("timer")).await.unwrap();
        assert_eq!(engine.sign_in("bob", &token).await.unwrap().unwrap().name, bob);
        assert_eq!(engine.sign_in_by_token(&token).await.unwrap().unwrap().name, bob);
        assert_eq!(engine.sign_in("ann", &token).await.unwrap(), None, "the token of somebody else");
        engine.delete_token(&bob, &name("timer")).await.unwrap();
        assert_eq!(engine.sign_in_by_token(&token).await.unwrap(), None);
        engine.create_token(&bob, &name("timer")).await.unwrap();
        engine.delete_account(&bob).await.unwrap();
        assert_eq!(engine.sign_in("bob", "battery staple").await.unwrap(), None);
        assert_eq!(engine.accounts().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn accounts_that_make_no_sense_are_refused() {
    let test = TestEngine::new(Arc::new(FakePlugin::default())).await;
    for (who, role, repositories, password) in [
        ("short", Role::Administrator, vec![], "1234567"),
        ("a:b", Role::Administrator, vec![], "correct horse"),
        ("nothing", Role::Publisher, vec![], "correct horse"),
        ("all", Role::Reader, vec![name("vendor")], "correct horse"),
    ] {
        let refused =
            test.engine.create_account(&name(who), role, &repositories, password).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Invalid, "{who}");
    }
}

#[tokio::test]
async fn a_change_is_recorded_before_it_is_made_and_its_outcome_once() {
    for database in Database::all() {
        let test = TestEngine::on(database, Arc::new(FakePlugin::default())).await;
        let engine = &test.engine;
        let first = engine.record("ann", "192.0.2.1", "sync vendor").await.unwrap();
        engine.record("cli:root", "command line", "publish vendor").await.unwrap();
        engine.record_outcome(first, "done").await.unwrap();
        engine.record_outcome(first, "something else").await.unwrap();
        let entries = engine.audit(10).await.unwrap();
        let outcomes: Vec<_> =
            entries.iter().map(|entry| (entry.who.as_str(), entry.outcome.as_deref())).collect();
        assert_eq!(outcomes, [("ann", Some("done")), ("cli:root", None)]);
        assert_eq!(engine.audit(1).await.unwrap()[0].what, "publish vendor");
    }
}
