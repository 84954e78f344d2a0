package dev.countersign;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Collection;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Presents the mounted certificate to a gateway. */
final class Identity {
  private static final Pattern BLOCK =
      Pattern.compile("-----BEGIN ([A-Z ]+)-----([^-]+)-----END \\1-----");
  private static final char[] NONE = new char[0];

  private Identity() {}

  static SSLContext open(Path folder) throws IOException, GeneralSecurityException {
    String bundle = Files.readString(folder.resolve("credential-bundle.pem"));
    KeyStore own = empty();
    own.setKeyEntry("own", key(bundle), NONE, certificates(bundle).toArray(new Certificate[0]));
    KeyManagerFactory keys =
        KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    keys.init(own, NONE);
    KeyStore anchors = empty();
    for (Certificate anchor : certificates(Files.readString(folder.resolve("trust-bundle.pem")))) {
      anchors.setCertificateEntry("anchor-" + anchors.size(), anchor);
    }
    TrustManagerFactory trust =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(anchors);
    SSLContext context = SSLContext.getInstance("TLSv1.3");
    context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
    return context;
  }

  private static KeyStore empty() throws IOException, GeneralSecurityException {
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    return store;
  }

  private static PrivateKey key(String text) throws GeneralSecurityException {
    Matcher blocks = BLOCK.matcher(text);
    while (blocks.find()) {
      if (!blocks.group(1).equals("PRIVATE KEY")) continue;
      byte[] der = Base64.getMimeDecoder().decode(blocks.group(2));
      return KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(der));
    }
    throw new GeneralSecurityException("credential-bundle.pem: want=PRIVATE KEY got=none");
  }

  private static Collection<? extends Certificate> certificates(String text)
      throws GeneralSecurityException {
    StringBuilder chain = new StringBuilder();
    Matcher blocks = BLOCK.matcher(text);
    while (blocks.find()) {
      if (blocks.group(1).equals("CERTIFICATE")) chain.append(blocks.group()).append('\n');
    }
    return CertificateFactory.getInstance("X.509")
        .generateCertificates(new ByteArrayInputStream(chain.toString().getBytes()));
  }
}
