import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import tls from 'node:tls';
import { errorText } from './text.ts';

/** How the documents' tables and --help show the variable, which agent and broker share. */
export const AUTHORITIES_VARIABLE = {
  name: 'CA_CERTIFICATES',
  default: '',
  meaning: "certificates of private CAs, trusted beside the system's: PEM text, or the path of a file with it",
} as const;

/** Many more than the private CAs of anybody; all CAs of a system are 220 kB. */
export const LARGEST_FILE_BYTES = 1024 * 1024;
/** What the broker hands on is a variable of instances: Linux starts no program with one of 128 KiB. */
export const LARGEST_VARIABLE_BYTES = 64 * 1024;

const CERTIFICATE = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]*-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/** Private CAs. */
export interface Authorities {
  /** Their certificates, each in PEM. */
  readonly certificates: readonly string[];
  /** What is no reason not to start, each a sentence: certificates that have expired, for one. */
  readonly warnings: readonly string[];
}

export type AuthoritiesResult =
  { readonly ok: true; readonly authorities: Authorities } | { readonly ok: false; readonly problem: string };

/** Reads the variable's value; without one there are no private CAs. */
export function readAuthorities(value: string, mostBytes: number, wallMs: number): AuthoritiesResult {
  if (value === '') return { ok: true, authorities: { certificates: [], warnings: [] } };
  const isText = value.includes('-----BEGIN');
  if (!isText && !isAbsolute(value))
    return refused(
      'must be certificates in PEM (-----BEGIN CERTIFICATE-----...), or the absolute path of a file with them',
    );
  let text: string;
  try {
    // Some shells and forms write a line's end as two characters.
    text = isText ? value.replaceAll('\\n', '\n') : readFileSync(value, 'utf8');
  } catch (error) {
    return refused(
      `names a file that cannot be read (${errorText(error)}): mount it there, or set the PEM text itself`,
    );
  }
  return parseAuthorities(text, mostBytes, wallMs);
}

/** Certificates in PEM; anything else between them is left out. */
function parseAuthorities(text: string, mostBytes: number, wallMs: number): AuthoritiesResult {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text))
    return refused('holds a private key: give the certificates of the CAs only');
  const found = text.match(CERTIFICATE) ?? [];
  const begun = text.match(/-----BEGIN [A-Z0-9 ]*CERTIFICATE-----/g) ?? [];
  if (found.length === 0 || found.length < begun.length)
    return refused(
      begun.length === 0
        ? 'holds no certificate: one begins with -----BEGIN CERTIFICATE-----'
        : `holds ${begun.length} certificates, of which ${begun.length - found.length} do not end: give them whole`,
    );
  const certificates: string[] = [];
  const warnings: string[] = [];
  for (const [index, pem] of found.entries()) {
    const which = `certificate ${index + 1} of ${found.length}`;
    let certificate: X509Certificate;
    try {
      certificate = new X509Certificate(pem);
    } catch (error) {
      return refused(`holds a text that is no certificate, ${which} (${errorText(error)}): give it in PEM`);
    }
    const { subject, issuer, validTo, validFrom } = certificate;
    const name = `${which}, ${subject.replaceAll('\n', ', ') || 'without a name'}`;
    // One that is its own issuer is trusted for itself.
    if (!certificate.ca && subject !== issuer)
      return refused(
        `holds a certificate that is not of a CA, ${name}: give that of its issuer, ${issuer.replaceAll('\n', ', ')}`,
      );
    if (Date.parse(validTo) < wallMs)
      warnings.push(sentence(`holds a certificate that expired on ${validTo}, ${name}`));
    else if (Date.parse(validFrom) > wallMs)
      warnings.push(sentence(`holds a certificate that is not valid before ${validFrom}, ${name}`));
    certificates.push(certificate.toString());
  }
  const bytes = Buffer.byteLength(certificates.join(''));
  if (bytes > mostBytes)
    return refused(
      `is larger than ${mostBytes / 1024} KiB (${Math.ceil(bytes / 1024)} KiB): give the private CAs only, as those of the system are trusted anyway`,
    );
  return { ok: true, authorities: { certificates, warnings } };
}

/** From now on every connection of this process trusts them beside Node's own CAs and those of the system. To be called by a main only. */
export function trust({ certificates }: Authorities): void {
  if (certificates.length === 0) return;
  const known = [...tls.getCACertificates('default'), ...tls.getCACertificates('system')];
  tls.setDefaultCACertificates([...new Set([...known, ...certificates])]);
}

/** As text of PEM. */
export function pemOf({ certificates }: Authorities): string {
  // A missing line end is added: storing a variable may remove it.
  return certificates.join('').trimEnd();
}

function refused(problem: string): AuthoritiesResult {
  return { ok: false, problem: sentence(problem) };
}

function sentence(text: string): string {
  return `${AUTHORITIES_VARIABLE.name} ${text}.`;
}
