//! A certificate authority for one run, and the server's certificate under it.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use data_encoding::BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _,
};
use sha2::{Digest as _, Sha256};

/// Files in PEM form, and what a browser is told.
pub(crate) struct Certificates {
    /// The authority's own.
    pub(crate) authority: PathBuf,
    /// The server's, and its key.
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// The SHA-256 of the server's public key in base64, as Chromium's command line wants it.
    pub(crate) public_key_hash: String,
}

impl Certificates {
    /// Makes them in this folder, for these names and addresses.
    pub(crate) fn make(folder: &Path, names: &[&str]) -> Result<Self> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        authority.distinguished_name.push(DnType::CommonName, "Authority of the network lab");
        let authority_key = KeyPair::generate()?;
        let authority_certificate = authority.self_signed(&authority_key)?;
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate()?;
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            // The server takes no key that others can read.
            let mut options = OpenOptions::new();
            let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
            file.and_then(|mut file| file.write_all(text.as_bytes()))
                .with_context(|| format!("writing {}", path.display()))?;
            anyhow::Ok(path)
        };
        Ok(Self {
            authority: write("authority.pem", authority_certificate.pem())?,
            certificate: write("certificate.pem", certificate.pem())?,
            key: write("key.pem", key.serialize_pem())?,
            public_key_hash: BASE64.encode(&Sha256::digest(key.subject_public_key_info())),
        })
    }
}
