//! An issuer of tokens: its keys, what it signs, and the address where its keys can be fetched.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaEncoding,
};
use aws_lc_rs::{hmac, rsa};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use peshub::platform::pki::DevelopmentCa;
use peshub::platform::tasks::Tasks;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

pub(crate) const ISSUER: &str = "https://login.example/realms/jobs";
pub(crate) const SUBJECT: &str = "client-4711";

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// A key that signs tokens.
pub(crate) struct Signer {
    pub(crate) algorithm: &'static str,
    id: String,
    public: Vec<u8>,
    jwk: Value,
    sign: Sign,
}

impl Signer {
    pub(crate) fn es256(id: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let public = pair.public_key().as_ref().to_vec();
        let (x, y) = public[1..].split_at(32);
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": encoded(x), "y": encoded(y) });
        let sign =
            move |text: &[u8]| pair.sign(&SystemRandom::new(), text).unwrap().as_ref().to_vec();
        Self::new(id, "ES256", public, jwk, Box::new(sign))
    }

    pub(crate) fn ed25519(id: &str) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let public = pair.public_key().as_ref().to_vec();
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(&public) });
        let sign = move |text: &[u8]| pair.sign(text).as_ref().to_vec();
        Self::new(id, "EdDSA", public, jwk, Box::new(sign))
    }

    pub(crate) fn rs256(id: &str) -> Self {
        Self::rsa(id, "RS256", &RSA_PKCS1_SHA256)
    }

    pub(crate) fn ps256(id: &str) -> Self {
        Self::rsa(id, "PS256", &RSA_PSS_SHA256)
    }

    fn rsa(id: &str, algorithm: &'static str, padding: &'static dyn RsaEncoding) -> Self {
        let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
        let public = pair.public_key();
        let n = encoded(public.modulus().big_endian_without_leading_zero());
        let e = encoded(public.exponent().big_endian_without_leading_zero());
        let jwk = json!({ "kty": "RSA", "n": n, "e": e });
        let public = public.as_ref().to_vec();
        let sign = move |text: &[u8]| {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(padding, &SystemRandom::new(), text, &mut signature).unwrap();
            signature
        };
        Self::new(id, algorithm, public, jwk, Box::new(sign))
    }

    fn new(id: &str, algorithm: &'static str, public: Vec<u8>, mut jwk: Value, sign: Sign) -> Self {
        jwk["kid"] = id.into();
        jwk["use"] = "sig".into();
        Self { algorithm, id: id.to_owned(), public, jwk, sign }
    }

    /// A token that says something.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({}), claims)
    }

    /// A token whose header is another one in some of it.
    pub(crate) fn token_with(&self, other: &Value, claims: &Value) -> String {
        let signed = self.signed(other, claims);
        let signature = encoded(&(self.sign)(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// The three parts of a token.
    pub(crate) fn parts(&self, claims: &Value) -> [String; 3] {
        let token = self.token(claims);
        let parts: Vec<_> = token.split('.').map(str::to_owned).collect();
        parts.try_into().unwrap()
    }

    /// The old trick: the public key, which everybody has, as the secret of an HMAC.
    pub(crate) fn token_signed_with_its_public_key(&self, claims: &Value) -> String {
        let signed = self.signed(&json!({ "alg": "HS256" }), claims);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.public);
        let signature = encoded(hmac::sign(&key, signed.as_bytes()).as_ref());
        format!("{signed}.{signature}")
    }

    fn signed(&self, other: &Value, claims: &Value) -> String {
        let mut header = json!({ "alg": self.algorithm, "typ": "JWT", "kid": self.id });
        for (name, value) in other.as_object().unwrap() {
            header[name] = value.clone();
        }
        format!(
            "{}.{}",
            encoded(header.to_string().as_bytes()),
            encoded(claims.to_string().as_bytes())
        )
    }
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key set with the keys of signers, and some that the hub must pass over.
pub(crate) fn key_set(signers: &[&Signer]) -> String {
    let mut keys: Vec<_> = signers.iter().map(|signer| signer.jwk.clone()).collect();
    keys.push(json!({ "kty": "oct", "k": encoded(b"secret"), "kid": "a", "alg": "HS256" }));
    keys.push(json!({ "kty": "quantum", "kid": "a" }));
    keys.push(json!(17));
    json!({ "keys": keys }).to_string()
}

/// A `tokens.toml` with the issuer.
pub(crate) fn settings(jwks: &str, more: &str) -> String {
    format!(
        "[[issuer]]\nissuer = '{ISSUER}'\naudience = 'https://hub.example'\njwks = '{jwks}'\n{more}\n"
    )
}

/// Where keys can be fetched over HTTPS.
pub(crate) struct Address {
    place: SocketAddr,
    fetches: Arc<AtomicUsize>,
    tasks: Tasks,
}

impl Address {
    pub(crate) async fn serve(ca: &DevelopmentCa, content: Arc<Mutex<String>>) -> Self {
        let server = ca.server().unwrap();
        let chain = vec![CertificateDer::from_pem_slice(server.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(server.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (place, fetches) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let (tasks, counted) = (Tasks::default(), Arc::clone(&fetches));
        let stop = tasks.stopping();
        drop(tasks.spawn(async move {
            loop {
                let (stream, _) = tokio::select! {
                    () = stop.cancelled() => return,
                    accepted = listener.accept() => accepted.unwrap(),
                };
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                let body = content.lock().unwrap().clone();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}",
                    body.len()
                );
                stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
                drop(stream.shutdown().await);
                counted.fetch_add(1, Ordering::SeqCst);
            }
        }));
        Self { place, fetches, tasks }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}/jwks", self.place)
    }

    /// How often the keys were fetched.
    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    pub(crate) async fn stop(self) {
        self.tasks.stop().await;
    }
}
