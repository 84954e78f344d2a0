//! The mounted certificate and anchors, read at each handshake: a new connection has what kubelet wrote last.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

type Failure = Box<dyn std::error::Error>;

#[derive(Debug)]
struct MountedIdentity {
    folder: PathBuf,
    provider: Arc<CryptoProvider>,
}

/// For `reqwest::ClientBuilder::tls_backend_preconfigured`.
pub fn mounted_identity(folder: impl Into<PathBuf>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let identity = Arc::new(MountedIdentity {
        folder: folder.into(),
        provider: provider.clone(),
    });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(identity.clone())
        .with_client_cert_resolver(identity);
    // A session that is resumed would show no certificate.
    config.resumption = Resumption::disabled();
    Ok(config)
}

impl MountedIdentity {
    fn credential(&self) -> Result<CertifiedKey, Failure> {
        let file = self.folder.join("credential-bundle.pem");
        let chain = CertificateDer::pem_file_iter(&file)?.collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_file(&file)?;
        Ok(CertifiedKey::from_der(chain, key, &self.provider)?)
    }

    fn verifier(&self) -> Result<Arc<WebPkiServerVerifier>, Failure> {
        let mut anchors = RootCertStore::empty();
        for anchor in CertificateDer::pem_file_iter(self.folder.join("trust-bundle.pem"))? {
            anchors.add(anchor?)?;
        }
        let provider = self.provider.clone();
        Ok(WebPkiServerVerifier::builder_with_provider(anchors.into(), provider).build()?)
    }
}

impl ResolvesClientCert for MountedIdentity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        match self.credential() {
            Ok(credential) => Some(Arc::new(credential)),
            Err(error) => {
                eprintln!("no certificate to show: {error}");
                None
            }
        }
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl ServerCertVerifier for MountedIdentity {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verifier = self
            .verifier()
            .map_err(|error| Error::General(error.to_string()))?;
        verifier.verify_server_cert(leaf, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 alone is spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
