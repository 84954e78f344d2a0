//! Verifies a leaf as programs of rustls do: `webpki-verify <anchor.pem> <leaf.pem> <dns name>`. One line a question, `ok` or the error.

use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [anchor_file, leaf_file, name] = words.as_slice() else {
        return Err("want=<anchor.pem> <leaf.pem> <dns name>".into());
    };
    let anchor = CertificateDer::from_pem_file(anchor_file)?;
    let anchors = [anchor_from_trusted_cert(&anchor)?];
    let leaf = CertificateDer::from_pem_file(leaf_file)?;
    let leaf = EndEntityCert::try_from(&leaf)?;
    let now = UnixTime::now();
    for (usage_name, usage) in [
        ("server", KeyUsage::server_auth()),
        ("client", KeyUsage::client_auth()),
    ] {
        let verified = leaf.verify_for_usage(
            ALL_VERIFICATION_ALGS,
            &anchors,
            &[],
            now,
            usage,
            None,
            None,
        );
        match verified {
            Ok(_) => println!("{usage_name}: ok"),
            // The variant alone: some have lists behind them.
            Err(error) => println!("{usage_name}: {}", first_word(&format!("{error:?}"))),
        }
    }
    let name = ServerName::try_from(name.as_str())?;
    match leaf.verify_is_valid_for_subject_name(&name) {
        Ok(()) => println!("name: ok"),
        Err(error) => println!("name: {}", first_word(&format!("{error:?}"))),
    }
    Ok(())
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or(text)
}
