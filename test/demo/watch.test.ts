import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { it } from 'node:test';
import { freeAddress } from '../support/address.ts';
import { viewPrometheus } from '../support/prometheus.ts';
import { until } from '../support/until.ts';
import { watch } from './watch.ts';

/** What `/api/v1/targets` answers about one target of this health. */
function targetsOf(health: string): string {
  const labels = { job: 'my-app', instance: 'my-app-1', tsuru_app: 'my-app' };
  return JSON.stringify({ status: 'success', data: { activeTargets: [{ labels, health }] } });
}

it('the demo goes on while Prometheus is away, says so once, and shows what is new when it is back', async () => {
  const [said, shown]: [string[], string[]] = [[], []];
  const world = { looks: 0, answer: { status: 200, body: targetsOf('up') } };
  const server = createServer((_request, response) => {
    world.looks += 1;
    response.writeHead(world.answer.status).end(world.answer.body);
  });
  const host = freeAddress();
  const listen = async (): Promise<void> => {
    server.listen(8080, host);
    await once(server, 'listening');
  };
  await listen();
  const stop = new AbortController();
  const show = (targets: readonly { readonly health: string }[]): void => {
    shown.push(targets.map(({ health }) => health).join());
  };
  const watching = watch(
    viewPrometheus(`http://${host}:8080`),
    { say: (line) => said.push(line.trim()), show, everyMs: 5 },
    stop.signal,
  );
  const someLooks = async (): Promise<void> => {
    const { looks } = world;
    await until('some looks', () => world.looks > looks + 3);
  };
  await someLooks();
  world.answer = { status: 502, body: 'Prometheus does not answer: it is starting, or it has ended.\n' };
  await someLooks();
  world.answer = { status: 200, body: targetsOf('down') };
  await until('what is new', () => shown.length === 1);
  world.answer = { status: 200, body: 'not JSON' };
  await someLooks();
  world.answer = { status: 200, body: targetsOf('down') };
  await until('it back', () => said.length === 4);
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  await until('it away', () => said.length === 5);
  world.answer = { status: 200, body: targetsOf('up') };
  await listen();
  await until('it back again', () => shown.length === 2);
  stop.abort();
  await assert.rejects(watching, /abort/i);
  server.closeAllConnections();
  server.close();
  assert.deepEqual(shown, ['down', 'up']);
  assert.equal(
    said[0],
    'Prometheus is away (Prometheus answered 502: Prometheus does not answer: it is starting, or it has ended.); the demo waits for it.',
  );
  assert.deepEqual([said[1], said[3], said[5]], Array<string>(3).fill('Prometheus is back.'));
});
