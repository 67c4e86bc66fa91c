// The demo app: a small shop's API with Prometheus metrics, as a unit of an app on Tsuru would be.
//   node test/app/main.ts
// As process `worker` it does not listen at all (Tsuru gives it a port nevertheless): DEMO_WORKER_LISTENS=true changes that.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { createShop } from './shop.ts';
import { visit } from './visitors.ts';

/** A pause between two lines of a worker that does not listen, in ms. */
const WORK_MS = 5000;

const { env } = process;
const host = env['TSURU_LOCAL_ADDRESS'] ?? '127.0.0.1';
const port = Number(env['TSURU_LOCAL_PORT'] ?? env['PORT'] ?? 8888);
const listens = env['TSURU_PROCESSNAME'] !== 'worker' || env['DEMO_WORKER_LISTENS'] === 'true';

const ended = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    ended.abort();
  });
}
if (env['TSURU_LOCAL_PARENT'] === 'stdin') {
  // The local Tsuru holds our stdin open; when it is gone, so are we.
  process.stdin.resume().once('close', () => {
    ended.abort();
  });
}

console.log(`Demo app of ${env['TSURU_APPNAME'] ?? 'nobody'}, version ${env['TSURU_APPVERSION'] ?? '0'}`);
await (listens ? serve(ended.signal) : work(ended.signal));
process.exit(0);

async function serve(signal: AbortSignal): Promise<void> {
  const shop = createShop();
  const server = createServer((request, response) => {
    void shop(request, response);
  });
  server.listen(port, host);
  await once(server, 'listening');
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  console.log(`Serving HTTP on ${host} port ${port} (${url}/) ...`);
  await visit(url, signal);
  server.closeAllConnections();
  server.close();
}

async function work(signal: AbortSignal): Promise<void> {
  for (let done = 0; !signal.aborted; done++) {
    console.log(`worker: ${done} orders packed`);
    await sleep(WORK_MS, undefined, { signal }).catch(() => undefined);
  }
}
