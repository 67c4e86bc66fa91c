import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from '../../system/files.ts';
import { pemOf, type Authorities } from '../../shared/authorities.ts';
import type { Environment } from '../../shared/environment.ts';

const MODE = 0o644;
const FOLDER = 'ca';
const FILE = 'private.pem';
/** Where Go looks when SSL_CERT_DIR does not say: https://go.dev/src/crypto/x509/root_linux.go */
const USUAL_FOLDERS = '/etc/ssl/certs:/etc/pki/tls/certs';

/** The private CAs as programs in Go take them: from one more folder beside those of the system. */
export interface AuthorityFolder {
  /** The environment with which they find it. */
  readonly environment: Environment;
  /** Writes the file, if it is not there. @throws the file system's error. */
  place(): Promise<void>;
}

export function createAuthorityFolder(
  dataFolder: string,
  authorities: Authorities,
  environment: Environment,
): AuthorityFolder {
  const path = join(dataFolder, FOLDER, FILE);
  let isWritten = false;
  if (authorities.certificates.length === 0) return { environment, place: () => Promise.resolve() };
  const given = environment['SSL_CERT_DIR'] ?? '';
  const folders = given === '' ? USUAL_FOLDERS : given;
  return {
    environment: { ...environment, SSL_CERT_DIR: `${folders}:${join(dataFolder, FOLDER)}` },
    async place() {
      if (isWritten && existsSync(path)) return;
      await writeWhole({ temporary: join(dataFolder, 'tmp', FILE), path, text: `${pemOf(authorities)}\n`, mode: MODE });
      isWritten = true;
    },
  };
}
