import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { it, type TestContext } from 'node:test';
import { freeAddress } from '../support/address.ts';
import { startProgram, type Program } from '../support/program.ts';
import { until } from '../support/until.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const PORT = 8888;

it("the demo's app serves its pages and counts its requests", async (t) => {
  const { url } = await startApp(t);
  assert.match(await page(`${url}/`), /demo app/);
  assert.equal(await page(`${url}/healthz`), 'WORKING\n');
  const posted = await fetch(`${url}/api/comments`, { method: 'POST', body: 'hello' });
  assert.equal(posted.status, 201);
  assert.ok((JSON.parse(await page(`${url}/api/comments`)) as string[]).includes('hello'));
  assert.equal((await fetch(`${url}/nowhere`)).status, 404);
  const checkouts = await Promise.all([1, 2, 3, 4].map(() => fetch(`${url}/api/checkout`)));
  assert.ok(checkouts.some(({ status }) => status === 503));
  const metrics = await page(`${url}/metrics`);
  assert.match(metrics, /^api_http_requests_total\{method="POST",handler="\/api\/comments",code="201"\} [1-9]/m);
  assert.match(metrics, /^api_http_requests_total\{method="GET",handler="not_found",code="404"\} 1$/m);
  assert.match(metrics, /^api_http_requests_total\{method="GET",handler="\/api\/checkout",code="503"\} [1-9]/m);
  assert.match(metrics, /^process_cpu_seconds_total /m);
  assert.match(metrics, /^api_http_request_duration_seconds_bucket\{le="0.1",handler="\/"\} /m);
});

it("the demo's app visits itself, so that its graphs move", async (t) => {
  const { url } = await startApp(t);
  const visits = async () => {
    const counts = (await page(`${url}/metrics`)).matchAll(
      /^api_http_requests_total\{.*handler="\/(?:api\/\w+)?",.*\} (\d+)$/gm,
    );
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  };
  await until('some visits', async () => (await visits()) >= 3);
});

it("the demo's app ends within a second of SIGTERM", async (t) => {
  const { program } = await startApp(t);
  const start = performance.now();
  program.kill('SIGTERM');
  assert.equal(await program.end, 0);
  assert.ok(performance.now() - start < 1000);
});

it("the demo's app ends when the one who started it is gone", async () => {
  const child = spawn(process.execPath, [MAIN], {
    env: { TSURU_LOCAL_ADDRESS: freeAddress(), TSURU_LOCAL_PARENT: 'stdin' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdout.resume();
  await once(child.stdout, 'data');
  const exited = once(child, 'exit');
  child.stdin.end();
  const [code] = (await exited) as [number | null];
  assert.equal(code, 0);
});

it("the demo's app does not listen as a worker, unless told to", async (t) => {
  const idle = start(t, { TSURU_PROCESSNAME: 'worker' });
  await until('its work', () => idle.program.lines.some((line) => line.startsWith('worker: ')));
  await assert.rejects(fetch(idle.url));
  await startApp(t, { TSURU_PROCESSNAME: 'worker', DEMO_WORKER_LISTENS: 'true' });
});

interface RunningApp {
  readonly program: Program;
  readonly url: string;
}

function start(t: TestContext, env: Readonly<Record<string, string>> = {}): RunningApp {
  const host = freeAddress();
  const program = startProgram({
    command: process.execPath,
    args: [MAIN],
    env: { TSURU_LOCAL_ADDRESS: host, PORT: String(PORT), ...env },
  });
  t.after(() => program.stop());
  return { program, url: `http://${host}:${PORT}` };
}

async function startApp(t: TestContext, env: Readonly<Record<string, string>> = {}): Promise<RunningApp> {
  const app = start(t, env);
  await until('the app', () => app.program.lines.some((line) => line.startsWith('Serving HTTP on ')));
  return app;
}

async function page(url: string): Promise<string> {
  return (await fetch(url)).text();
}
