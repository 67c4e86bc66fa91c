import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { freeAddress } from '../../support/address.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { startPrometheus, type RunningPrometheus } from '../../support/prometheus.ts';
import { guard, RIGHT, type Guarded } from './guarded.ts';

const FORM = 'Content-Type: application/x-www-form-urlencoded';

/** Asked of Prometheus itself and through the gateway. In UTF-8, whatever a URL should be. */
const REQUESTS: readonly (readonly [what: string, line: string, more?: string, body?: string])[] = [
  ['the values of a label', 'GET /api/v1/label/__name__/values'],
  ['the values of a label with a dot', 'GET /api/v1/label/host.name/values'],
  ['the values of a label with a dot, escaped', 'GET /api/v1/label/U__host_2e_name/values'],
  ['the values of a label with a dot, encoded', 'GET /api/v1/label/host%2ename/values'],
  ['the values of a label that is no ASCII', 'GET /api/v1/label/café/values'],
  ['the values of a label that is no ASCII, encoded', 'GET /api/v1/label/caf%C3%A9/values'],
  ['the values of a label that is no ASCII, encoded in small letters', 'GET /api/v1/label/caf%c3%a9/values'],
  ['the values of a label with many bytes', 'GET /api/v1/label/日本%20🙂/values?limit=2'],
  ['the values of a label with signs', 'GET /api/v1/label/a:b+c;d"e%20%25/values'],
  ['the values of a label with a needless encoding', 'GET /api/v1/label/%6aob/values'],
  ['the values of a label after empty segments', 'GET //api/v1/label/host.name/values'],
  ['the values of a label by HEAD', 'HEAD /api/v1/label/host.name/values'],
  ['raw UTF-8 in a query', 'GET /api/v1/query?time=1&query=label_replace(vector(1),"a","é→日","","")'],
  ['raw UTF-8 in the name of a label', 'GET /api/v1/series?match[]={"café"="é",a="ü"}'],
  ['encoded UTF-8 in a query', 'GET /api/v1/query?time=1&query=label_replace(vector(1),"a","%C3%A9","","")'],
  ['raw UTF-8 in a query that is wrong', 'GET /api/v1/query?query=café+'],
  ['an encoding in a query that is none', 'GET /api/v1/query?query=%zz'],
  ['an empty segment in front of a query', 'GET //api/v1/query?time=1&query=vector(1)'],
  ['many empty segments and raw UTF-8', 'GET ///api//v1/query?time=1&query="é"'],
  ['an empty segment in front of a POST', 'POST //api/v1/query', FORM, 'time=1&query=vector(1)'],
  ['an empty segment in front of a page', 'GET //graph'],
  ['an empty segment in front of the home page', 'GET //'],
  ['an empty segment at the end of a page', 'GET /classic//'],
  ['an empty segment in front of a file', 'GET //static//js/none.js'],
  ['an empty segment in front of the API', 'GET //api/v1/status/buildinfo'],
  ['an empty segment by HEAD', 'HEAD //api/v1/status/buildinfo'],
  ['HEAD of a query', 'HEAD /api/v1/query?query=1'],
  ['HEAD of federation', 'HEAD /federate?match[]=up'],
  ['HEAD of the API', 'HEAD /api/v1/status/buildinfo'],
  ['HEAD of a page', 'HEAD /graph'],
  ['HEAD of a classic page', 'HEAD /classic/graph'],
  ['HEAD of a file', 'HEAD /favicon.ico'],
  ['HEAD of notifications', 'HEAD /api/v1/notifications/live'],
  ['HEAD of health', 'HEAD /-/healthy'],
  ['HEAD of readiness', 'HEAD /-/ready'],
  ['an offer of HTTP/2', 'GET /api/v1/status/buildinfo', 'Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ'],
  ['an offer of TLS', 'GET /api/v1/status/buildinfo', 'Upgrade: TLS/1.2'],
  ['a POST with an offer of HTTP/2', 'POST /api/v1/query', `Upgrade: h2c\r\n${FORM}`, 'time=1&query=vector(1)'],
];

describe('a real Prometheus answers through the gateway as it does by itself', { concurrency: 4 }, () => {
  const stack = new AsyncDisposableStack();
  let prometheus: RunningPrometheus;
  let guarded: Guarded;

  before(async () => {
    const { path: folder } = stack.use(await temporaryFolder());
    const configFile = join(folder, 'prometheus.yml');
    await writeFile(configFile, 'global: {}\n');
    prometheus = await startPrometheus({ folder, configFile, address: `${freeAddress()}:9090` });
    stack.defer(() => prometheus.stop());
    guarded = stack.use(await guard(prometheus.url));
  });
  after(() => stack.disposeAsync());

  for (const [what, line, more = '', body = ''] of REQUESTS) {
    it(`to ${what}`, async () => {
      const headers = [
        'Host: x',
        `Authorization: ${RIGHT}`,
        ...(more === '' ? [] : [more]),
        `Connection: close${more.includes('Upgrade') ? ', Upgrade, HTTP2-Settings' : ''}`,
        ...(body === '' ? [] : [`Content-Length: ${body.length}`]),
      ];
      const bytes = `${line} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n${body}`;
      const [own, through] = await Promise.all([say(prometheus.url, bytes), say(guarded.url, bytes)]);
      assert.deepEqual(through, own);
    });
  }

  it('and the gateway to HEAD of its own pages, and to these after an empty segment', async () => {
    const page = () => Promise.resolve({ status: 200, type: 'text/plain', body: 'a page\n' });
    await using own = await guard(prometheus.url, { pages: { 'GET /metrics': page, 'GET /tsuru/status': page } });
    const ready = await own.get('//-/ready', { authorization: null });
    assert.deepEqual([ready.status, ready.headers['location']], [301, '/-/ready']);
    for (const path of ['/metrics', '/tsuru/status']) {
      const head = await own.get(path, { method: 'HEAD' });
      assert.deepEqual([head.status, head.headers['content-length'], head.body], [200, '7', '']);
      const other = await own.get(`/${path}?a=b`);
      assert.deepEqual([other.status, other.headers['location']], [301, `${path}?a=b`]);
      assert.equal((await own.get(`/${path}`, { authorization: null })).status, 401);
    }
  });
});

interface Said {
  readonly status: string;
  readonly location: string | undefined;
  readonly allow: string | undefined;
  readonly body: string | undefined;
}

/** What is answered, without what the gateway changes on purpose, and what it says itself. */
async function say(url: string, bytes: string): Promise<Said> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('end', () => socket.end());
  socket.write(bytes);
  await once(socket, 'close');
  const [head = '', ...rest] = Buffer.concat(chunks).toString('utf8').split('\r\n\r\n');
  const header = (name: string): string | undefined => new RegExp(`^${name}: (.*)\\r?$`, 'im').exec(head)?.[1];
  const status = /^HTTP\/1\.1 (\d+)/.exec(head)?.[1] ?? head;
  // A redirect has its location, and HEAD no body.
  const hasBody = !status.startsWith('3') && !bytes.startsWith('HEAD');
  return {
    status,
    location: header('location'),
    allow: header('allow'),
    body: !hasBody ? undefined : rest.join('').replace(/[\da-f]+\r\n|\r\n/g, ''),
  };
}
