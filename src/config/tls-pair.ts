import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';

/** PEM texts: what a server shows, and its private key. */
export interface TlsPair {
  readonly cert: string;
  readonly key: string;
}

/** Why OpenSSL doesn't take the two as a pair, in a sentence; undefined: it does. */
export function pairFault({ cert, key }: TlsPair): string | undefined {
  try {
    createSecureContext({ cert, key });
    return undefined;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    return `--tls-cert and --tls-key are no PEM certificate and its private key (OpenSSL: ${code}).`;
  }
}

/**
 * Why a pair must not take the place of one that works; undefined: it may. OpenSSL takes a chain that breaks off in the
 * first line of a certificate, and one that is over.
 */
export function renewalFault(pair: TlsPair, wallClockMs: number): string | undefined {
  const fault = pairFault(pair);
  if (fault !== undefined) return fault;
  const blocks = pair.cert.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) return 'The file of --tls-cert holds no PEM certificate.';
  if (blocks.length !== (pair.cert.match(/-----BEGIN/g) ?? []).length || endsInABlock(pair.cert)) {
    return 'The file of --tls-cert breaks off in the middle of a certificate.';
  }
  const { validFrom, validTo } = new X509Certificate(pair.cert);
  if (Date.parse(validTo) <= wallClockMs) return `The certificate of --tls-cert has expired (${validTo}).`;
  if (Date.parse(validFrom) > wallClockMs)
    return `The certificate of --tls-cert is not valid before ${validFrom}.`;
  return undefined;
}

function endsInABlock(text: string): boolean {
  const rest = text.slice(text.lastIndexOf('-----END CERTIFICATE-----') + '-----END CERTIFICATE-----'.length);
  return /^-/m.test(rest);
}
