// A Tsuru that only answers what an agent asks, fast and the same each time but for the order of its lists: what a bench of the agent needs. It is a program of its own, so
// that none of its work is taken for the agent's, and tells the bench of each answer in a line of JSON.
import { parseArgs } from 'node:util';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { listen } from '../../tsuru/listener.ts';
import { monotonicMs } from '../moments.ts';
import { createApps } from './apps.ts';
import { REPLACE_UNIT, type Change, type Line } from './protocol.ts';

const JSON_TYPE = 'application/json';

const { values } = parseArgs({ options: { units: { type: 'string' }, 'units-per-app': { type: 'string' } } });
const apps = await createApps(Number(values.units), Number(values['units-per-app']));

function say(line: Line): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function bodyOf(path: string): Buffer | undefined {
  if (path === '/1.0/apps') return apps.list();
  if (path === '/1.0/users/info') return permissions();
  const name = /^\/1\.0\/apps\/([^/]+)$/.exec(path)?.[1];
  return name === undefined ? undefined : apps.details(name);
}

function permissions(): Buffer {
  const Permissions = apps.names.map((name) => ({
    Name: 'app.read.info',
    ContextType: 'app',
    ContextValue: name,
  }));
  return Buffer.from(JSON.stringify({ Email: 'bench@tsuru-team-token', Roles: [], Permissions, Groups: null }));
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const startedMs = monotonicMs();
  const path = (request.url ?? '/').split('?')[0] ?? '/';
  request.resume();
  if (request.method === 'POST' && path === REPLACE_UNIT) {
    const change: Change = { unit: apps.replaceUnit(), atMs: monotonicMs() };
    response.end(JSON.stringify(change));
    return;
  }
  const body = bodyOf(path);
  const { bytesWritten } = request.socket;
  response.on('finish', () => {
    const bytes = request.socket.bytesWritten - bytesWritten;
    say({ answer: { path, startedMs, endedMs: monotonicMs(), bytes } });
  });
  response.writeHead(body === undefined ? 404 : 200, { 'content-type': JSON_TYPE }).end(body ?? 'App not found.\n');
}

const { url } = await listen(0, answer);
say({ url });
