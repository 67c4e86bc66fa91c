// npm run local-tsuru: a Tsuru for this machine with a demo app, until Ctrl-C. This file alone touches the process.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createApp, createClient } from './client.ts';
import { demoImages } from './images.ts';
import { startService, withInstances } from '../support/service.ts';
import { startTsuru, type LocalTsuru } from './server.ts';
import { DEFAULT_TEAMS } from './state.ts';

const DEFAULT_PORT = 8080;

const USAGE = `npm run local-tsuru [-- --port N | --help]

A Tsuru for this machine, as the tsuru client and other programs see one: its API, apps whose units are real
processes on addresses of their own (127.1.x.y), and the service prometheus with its broker. It stays until Ctrl-C, and
leaves nothing behind.

  --port N  listen on this port; without it on ${DEFAULT_PORT}, or on a free one when that is taken
  --help    this

Any image can be deployed: each one runs the demo app. Parts of its name ask for more: "worker" adds a process worker,
"-port9100" EXPOSEs that port, "-healthcheck" has one, "crash" ends at once; "missing/..." cannot be pulled.

To see how others take trouble (as administrator, with "Authorization: bearer $TSURU_TOKEN"):
  POST /local/faults       {"kind": "units-unknown", "app": "my-app"}, or another kind: app-missing (app), latency (ms), cut,
                           status (status), body (body); each also with path ("/apps*"), method and times, and
                           latency, cut, status and body with "to": "broker" for what Tsuru asks of services' brokers
  GET, DELETE /local/faults
  POST /local/outage       {"seconds": 10}: nobody listens
  POST /local/units/UNIT/kill
  POST /local/units/UNIT/evict: as a node that runs out of disk does; another unit takes its place
`;

const DEMO_APP = fileURLToPath(new URL('../app/main.ts', import.meta.url));

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function leave(code: number, sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(code);
}

function readArguments(): { readonly port: number | undefined; readonly help: boolean } {
  try {
    const { values } = parseArgs({ options: { port: { type: 'string' }, help: { type: 'boolean', default: false } } });
    const port = values.port === undefined ? undefined : Number(values.port);
    if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
      throw new Error(`--port must be a number from 0 to 65535, not "${values.port ?? ''}"`);
    }
    return { port, help: values.help };
  } catch (error) {
    return leave(2, `${error instanceof Error ? error.message.split('. ')[0] : String(error)}. See --help.`);
  }
}

/** On the port that was asked for; else on the usual one, or on any when that is taken. */
async function start(port: number | undefined): Promise<LocalTsuru> {
  const images = withInstances(demoImages([process.execPath, DEMO_APP]));
  const teams = [...DEFAULT_TEAMS, 'my-team'];
  try {
    return await startTsuru({ images, teams, port: port ?? DEFAULT_PORT });
  } catch (error) {
    const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
    if (!isTaken) throw error;
    if (port !== undefined) return leave(1, `Port ${port} is taken; try another, or leave --port out.`);
    say(`Port ${DEFAULT_PORT} is taken, so this Tsuru listens on another one.`);
    return startTsuru({ images, teams });
  }
}

function whatToTry(tsuru: LocalTsuru): string {
  const addresses = tsuru.units('my-app').map(({ host, port }) => `http://${host}:${port}/metrics`);
  return `
A Tsuru for this machine runs at ${tsuru.url}, with the app my-app and ${addresses.length} units:
  ${addresses.join('\n  ')}
In another terminal:
  export TSURU_TARGET=${tsuru.url}
  export TSURU_TOKEN=${tsuru.adminToken}
and try, with the tsuru client or without:
  tsuru app info -a my-app
  tsuru unit add 2 -a my-app
  tsuru app deploy -a my-app -i shop/my-app:2
  tsuru service-instance-add prometheus my-instance -t my-team
  tsuru service-instance-bind prometheus my-instance -a my-app
  tsuru service-instance-info prometheus my-instance
  tsuru app-log -a prometheus-my-instance
  curl -H "Authorization: bearer $TSURU_TOKEN" "$TSURU_TARGET/1.0/apps?extended=true"
What else it can do, and how to make it fail: npm run local-tsuru -- --help
Ctrl-C ends all of it.`;
}

async function main(): Promise<void> {
  const { port, help } = readArguments();
  if (help) {
    process.stdout.write(USAGE);
    return;
  }
  const stopped = new Promise<'stopped'>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        resolve('stopped');
      });
    }
  });
  const tsuru = await start(port);
  const stack = new AsyncDisposableStack();
  try {
    const created = Promise.all([
      createApp(createClient(tsuru.url, tsuru.adminToken), 'my-app', 'shop/my-app:1', 3),
      startService(stack, tsuru, { webhook: true }),
    ]);
    // When it is told to end before, the app's creation fails: nobody waits for it then.
    created.catch(() => undefined);
    if ((await Promise.race([created, stopped])) === 'stopped') return;
    say(whatToTry(tsuru));
    await stopped;
  } finally {
    await stack.disposeAsync();
    await tsuru.close();
  }
}

await main();
