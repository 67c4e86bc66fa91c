import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { request, type RequestListener } from 'node:http';
import { createServer } from 'node:https';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freeAddress } from './address.ts';
import { temporaryFolder } from './folder.ts';

const run = promisify(execFile);

/** A private CA, made for a test. */
export interface Authority extends AsyncDisposable {
  /** Its certificate. */
  readonly pem: string;
  readonly path: string;
  readonly keyPem: string;
  /** A certificate of a server, which is no CA, with its key. */
  issue(host: string): Promise<{ readonly cert: string; readonly key: string }>;
  /** A server of TLS at an address of its own, with a certificate of this CA; it ends with the CA. */
  serve(listener: RequestListener): Promise<string>;
}

export async function makeAuthority(name = 'Private CA of a test', isExpired = false): Promise<Authority> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder()).path;
  const [path, keyPath] = [join(folder, 'ca.pem'), join(folder, 'ca.key')];
  const openssl = (...args: readonly string[]) => run('openssl', args, { cwd: folder });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  if (isExpired) await makeExpired(openssl, folder, name);
  else
    await openssl('req', '-x509', ...newKey, '-keyout', keyPath, '-out', path, '-subj', `/CN=${name}`, '-days', '30');

  const issue: Authority['issue'] = async (host) => {
    const [key, csr, cert, more] = [`${host}.key`, `${host}.csr`, `${host}.pem`, `${host}.cnf`];
    await writeFile(join(folder, more), `subjectAltName=IP:${host}\nbasicConstraints=CA:FALSE\n`);
    await openssl('req', ...newKey, '-keyout', key, '-out', csr, '-subj', `/CN=${host}`);
    await openssl(
      'x509',
      '-req',
      '-in',
      csr,
      '-CA',
      path,
      '-CAkey',
      keyPath,
      '-CAcreateserial',
      '-out',
      cert,
      '-days',
      '30',
      '-extfile',
      more,
    );
    return { cert: await readFile(join(folder, cert), 'utf8'), key: await readFile(join(folder, key), 'utf8') };
  };
  return {
    pem: await readFile(path, 'utf8'),
    path,
    keyPem: await readFile(keyPath, 'utf8'),
    issue,
    async serve(listener) {
      const host = freeAddress();
      const server = createServer(await issue(host), listener).listen(8443, host);
      await once(server, 'listening');
      stack.defer(async () => {
        server.closeAllConnections();
        server.close();
        await once(server, 'close');
      });
      return `https://${host}:8443`;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** `openssl req` of older versions takes no dates: a CA's own command does. */
async function makeExpired(
  openssl: (...args: readonly string[]) => Promise<unknown>,
  folder: string,
  name: string,
): Promise<void> {
  const config = [
    '[ca]',
    'default_ca=d',
    '[d]',
    'database=index.txt',
    'serial=serial',
    'new_certs_dir=.',
    'default_md=sha256',
    'policy=p',
    '[p]',
    'commonName=supplied',
    '[v]',
    'basicConstraints=CA:TRUE',
  ];
  await writeFile(join(folder, 'ca.cnf'), config.join('\n'));
  await writeFile(join(folder, 'index.txt'), '');
  await writeFile(join(folder, 'serial'), '01\n');
  await openssl(
    'req',
    '-new',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    'ca.key',
    '-out',
    'ca.csr',
    '-subj',
    `/CN=${name}`,
  );
  const dates = ['-startdate', '20200101000000Z', '-enddate', '20200201000000Z'];
  await openssl(
    'ca',
    '-batch',
    '-selfsign',
    '-notext',
    '-config',
    'ca.cnf',
    '-extensions',
    'v',
    '-keyfile',
    'ca.key',
    '-in',
    'ca.csr',
    '-out',
    'ca.pem',
    ...dates,
  );
}

/** Hands every request on to a server of plain HTTP, as a proxy does that ends TLS. */
export function handOn(url: string): RequestListener {
  return (incoming, response) => {
    const { method, headers } = incoming;
    const outgoing = request(new URL(incoming.url ?? '/', url), { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    outgoing.on('error', () => response.destroy());
    incoming.pipe(outgoing);
  };
}
