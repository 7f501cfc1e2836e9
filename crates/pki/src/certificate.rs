//! One parsed certificate, with the questions that judging it asks.

use api::{Fingerprint, Signer};
use der::{AnyRef, Decode, Encode, Reader, SliceReader, oid::AssociatedOid};
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, NameConstraints,
    SubjectAltName, SubjectKeyIdentifier,
};

use crate::{key::KeyAlgorithm, name, validity::timestamp};

/// A certificate whose structure and known extensions have been parsed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) x509: x509_cert::Certificate,
    pub(crate) basic_constraints: Option<BasicConstraints>,
    pub(crate) key_usage: Option<KeyUsage>,
    pub(crate) extended_key_usage: Option<ExtendedKeyUsage>,
    pub(crate) name_constraints: Option<NameConstraints>,
    pub(crate) subject_alt_name: Option<(bool, SubjectAltName)>,
    pub(crate) subject_key_id: Option<SubjectKeyIdentifier>,
    pub(crate) authority_key_id: Option<AuthorityKeyIdentifier>,
}

/// How a signature fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureFault {
    /// It was made by another key, or over other content.
    Wrong,
    /// It cannot be verified: its algorithm is not supported for the key.
    Unsupported,
}

impl Certificate {
    /// Parses strict DER. Two extensions of one type are an error, as is a name that would be
    /// encoded otherwise than it stands there: a leaf must bear its issuer's name byte for byte.
    pub(crate) fn parse(der: CertificateDer<'static>) -> Result<Self, String> {
        let x509 = x509_cert::Certificate::from_der(&der).map_err(|error| error.to_string())?;
        let certificate = Self {
            basic_constraints: value(&x509)?,
            key_usage: value(&x509)?,
            extended_key_usage: value(&x509)?,
            name_constraints: value(&x509)?,
            subject_alt_name: extension(&x509)?,
            subject_key_id: value(&x509)?,
            authority_key_id: value(&x509)?,
            der,
            x509,
        };
        certificate.check_name()?;
        certificate.check_key()?;
        Ok(certificate)
    }

    fn check_name(&self) -> Result<(), String> {
        let anchor = webpki::anchor_from_trusted_cert(&self.der)
            .map_err(|error| format!("no X.509 certificate of version 1 or 3: {error}"))?;
        let encoded = self.x509.tbs_certificate().subject().to_der();
        let same = encoded
            .and_then(|encoded| Ok(AnyRef::from_der(&encoded)?.value() == anchor.subject.as_ref()));
        if same == Ok(true) {
            Ok(())
        } else {
            Err("its subject is no DER".to_owned())
        }
    }

    fn check_key(&self) -> Result<(), String> {
        match self.public_key().subject_public_key.as_bytes() {
            Some(_) => Ok(()),
            None => Err("its public key is no whole number of octets".to_owned()),
        }
    }

    pub(crate) fn subject(&self) -> &x509_cert::name::Name {
        self.x509.tbs_certificate().subject()
    }

    pub(crate) fn issuer(&self) -> &x509_cert::name::Name {
        self.x509.tbs_certificate().issuer()
    }

    pub(crate) fn shown(&self) -> String {
        name::shown(self.subject())
    }

    pub(crate) fn public_key(&self) -> &x509_cert::spki::SubjectPublicKeyInfoOwned {
        self.x509.tbs_certificate().subject_public_key_info()
    }

    pub(crate) fn key_algorithm(&self) -> KeyAlgorithm {
        KeyAlgorithm::of(self.public_key())
    }

    pub(crate) fn not_before(&self) -> Timestamp {
        timestamp(self.x509.tbs_certificate().validity().not_before)
    }

    pub(crate) fn not_after(&self) -> Timestamp {
        timestamp(self.x509.tbs_certificate().validity().not_after)
    }

    /// Content octets of the serial number's INTEGER.
    pub(crate) fn serial(&self) -> &[u8] {
        self.x509.tbs_certificate().serial_number().as_bytes()
    }

    pub(crate) fn signature_algorithm(&self) -> String {
        self.x509.signature_algorithm().oid.to_string()
    }

    pub(crate) fn is_self_issued(&self) -> bool {
        self.subject() == self.issuer()
    }

    /// Its own if that is proven by the signature.
    pub(crate) fn signer(&self) -> Signer {
        if self.is_self_issued() && self.verify_signature(self).is_ok() {
            Signer::Itself
        } else {
            Signer::Another
        }
    }

    pub(crate) fn is_ca(&self) -> bool {
        self.basic_constraints
            .as_ref()
            .is_some_and(|constraints| constraints.ca)
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::from_digest(Sha256::digest(&self.der).into())
    }

    /// SHA-256 over what a chain finds it by as a root: the DER of its subject, the DER of its
    /// `SubjectPublicKeyInfo`, the octets of its subjectKeyIdentifier.
    pub(crate) fn anchor_fingerprint(&self) -> Result<Fingerprint, der::Error> {
        let mut digest = Sha256::new();
        digest.update(self.subject().to_der()?);
        digest.update(self.public_key().to_der()?);
        if let Some(key_id) = &self.subject_key_id {
            digest.update(key_id.0.as_bytes());
        }
        Ok(Fingerprint::from_digest(digest.finalize().into()))
    }

    /// Whether the authorityKeyIdentifier admits `issuer`: what it states must agree, what either
    /// certificate leaves out does not matter (as in OpenSSL's `X509_check_akid`).
    pub(crate) fn key_id_admits(&self, issuer: &Self) -> bool {
        let Some(authority) = &self.authority_key_id else {
            return true;
        };
        let key_id = match (&authority.key_identifier, &issuer.subject_key_id) {
            (Some(wanted), Some(found)) => *wanted == found.0,
            (None, _) | (_, None) => true,
        };
        let serial = authority
            .authority_cert_serial_number
            .as_ref()
            .is_none_or(|serial| serial.as_bytes() == issuer.serial());
        key_id && serial
    }

    /// Verifies the signature with the key of `issuer`.
    pub(crate) fn verify_signature(&self, issuer: &Self) -> Result<(), SignatureFault> {
        let unsupported = |_| SignatureFault::Unsupported;
        let issuer = webpki::EndEntityCert::try_from(&issuer.der)
            .map_err(|_| SignatureFault::Unsupported)?;
        let signed = signed_part(&self.der).map_err(unsupported)?;
        let algorithm = self
            .x509
            .signature_algorithm()
            .to_der()
            .map_err(unsupported)?;
        let algorithm = AnyRef::from_der(&algorithm).map_err(unsupported)?;
        let signature = self.x509.signature().raw_bytes();
        let mut fault = SignatureFault::Unsupported;
        let matching = |candidate: &&&dyn rustls_pki_types::SignatureVerificationAlgorithm| {
            candidate.signature_alg_id().as_ref() == algorithm.value()
        };
        for candidate in webpki::ALL_VERIFICATION_ALGS.iter().filter(matching) {
            match issuer.verify_signature(*candidate, signed, signature) {
                Ok(()) => return Ok(()),
                Err(webpki::Error::InvalidSignatureForPublicKey) => fault = SignatureFault::Wrong,
                Err(_) => {}
            }
        }
        Err(fault)
    }
}

fn signed_part(certificate: &[u8]) -> der::Result<&[u8]> {
    SliceReader::new(AnyRef::from_der(certificate)?.value())?.tlv_bytes()
}

fn value<'a, T>(x509: &'a x509_cert::Certificate) -> Result<Option<T>, String>
where
    T: Decode<'a, Error = der::Error> + AssociatedOid,
{
    Ok(extension(x509)?.map(|(_, value)| value))
}

fn extension<'a, T>(x509: &'a x509_cert::Certificate) -> Result<Option<(bool, T)>, String>
where
    T: Decode<'a, Error = der::Error> + AssociatedOid,
{
    x509.tbs_certificate()
        .get_extension::<T>()
        .map_err(|error| format!("extension {} cannot be parsed: {error}", T::OID))
}
