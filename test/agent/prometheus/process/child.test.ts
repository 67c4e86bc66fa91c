import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startChild, type Child } from '../../../../agent/prometheus/process/child.ts';
import type { LogLine } from '../../../../agent/prometheus/api/logfmt.ts';
import { describeEnding } from '../../../../agent/prometheus/process/exit-reason.ts';

const ENVIRONMENT = { PATH: process.env['PATH'] ?? '' };

function start(script: string): { child: Child; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const child = startChild({
    command: ['sh', '-c', script],
    environment: ENVIRONMENT,
    secrets: () => ['correct-horse'],
    onLine: (line) => void lines.push(line),
  });
  return { child, lines };
}

describe('a process whose log is read', () => {
  it('has its lines parsed as those of Prometheus 2 and 3, and others kept as they are', async () => {
    const { child, lines } = start(`
      echo 'ts=x caller=main.go:1 level=warn msg=two err="why so"' >&2
      echo 'time=x level=INFO source=main.go:1 msg=three component=web' >&2
      echo 'ts=x caller=main.go:1 level=info fd_limits=many'
      printf 'panic: no newline'`);
    const { code } = await child.ended;
    assert.equal(code, 0);
    const byMessage = new Map(lines.map((line) => [line.message, line]));
    assert.deepEqual(byMessage.get('two'), { level: 'warn', message: 'two', fields: { err: 'why so' } });
    assert.deepEqual(byMessage.get('three'), { level: 'info', message: 'three', fields: { component: 'web' } });
    assert.equal(byMessage.get('fd_limits="many"')?.level, 'info');
    assert.equal(byMessage.get('panic: no newline')?.level, 'warn');
  });

  it('shows neither user, password nor query of a URL, nor a secret', async () => {
    const { child, lines } = start(`
      echo 'level=warn msg=away url="http://me:secret@a.example.com/w?token=secret" err="Post \\"http://me:secret@b/?token=secret\\": correct-horse"'
      echo 'panic: http://me:secret@c'`);
    await child.ended;
    assert.deepEqual(
      lines.map(({ message, fields }) => [message, fields]),
      [
        ['away', { url: 'http://a.example.com/w?...', err: 'Post "http://b/?...": <secret>' }],
        ['panic: http://c', {}],
      ],
    );
  });

  it('may write an endless line, of which only the beginning is kept', async () => {
    const { child, lines } = start("head -c 20000000 /dev/zero | tr '\\\\0' x; echo; echo after");
    await child.ended;
    assert.deepEqual(
      lines.map(({ message }) => message.length),
      [4_096, 5],
    );
  });

  it('keeps the head of a panic, whatever follows', async () => {
    const { child } = start(
      'echo before; echo "panic: at the disco"; for i in $(seq 100); do echo "goroutine $i"; done; exit 2',
    );
    const { lines, code } = await child.ended;
    assert.equal(code, 2);
    assert.ok(lines.length <= 20);
    assert.ok(lines.some(({ message }) => message === 'panic: at the disco'));
  });

  it('keeps who asked it to end, whatever follows', async () => {
    const { child } = start(
      `echo 'level=WARN msg="Received an OS signal, exiting gracefully..."'; i=0; while [ $i -lt 50 ]; do echo $i; i=$((i+1)); done`,
    );
    const { lines } = await child.ended;
    assert.deepEqual(
      [lines.length, lines[0]?.message, lines.at(-1)?.message],
      [20, 'Received an OS signal, exiting gracefully...', '49'],
    );
  });

  it('that cannot be started has ended, and says why', async () => {
    const child = startChild({
      command: ['/no/such/program'],
      environment: {},
      secrets: () => [],
      onLine: () => undefined,
    });
    assert.equal(child.pid, undefined);
    const { failure } = await child.ended;
    assert.match(failure ?? '', /ENOENT/);
    assert.deepEqual(await child.stop(10), await child.ended);
  });

  it('that ignores SIGTERM is killed', async () => {
    const { child, lines } = start('trap "" TERM; echo here; while :; do sleep 0.05; done');
    while (lines.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal((await child.stop(200)).signal, 'SIGKILL');
  });
});

describe('how Prometheus ended', () => {
  const line = (message: string, level: LogLine['level'] = 'error'): LogLine => ({ level, message, fields: {} });
  const table: readonly {
    readonly says: LogLine[];
    readonly code?: number;
    readonly signal?: 'SIGKILL';
    readonly text: RegExp;
  }[] = [
    {
      says: [line('opening storage failed: lock DB directory: resource temporarily unavailable')],
      text: /another Prometheus uses the same data/,
    },
    { says: [line('opening storage failed: mkdir data: permission denied')], text: /must be writable/ },
    {
      says: [line('opening storage failed: block dir: invalid magic number 0')],
      text: /its data are damaged: "tsuru app restart"/,
    },
    {
      says: [line('panic: write wal: no space left on device', 'warn'), line('goroutine 1', 'warn')],
      text: /its volume is full/,
    },
    {
      says: [
        line('Failed to send batch: unexpected EOF', 'warn'),
        line('Unable to start web listener: bind: address already in use'),
      ],
      text: /another program listens there/,
    },
    {
      says: [line('Failed to send batch: unexpected EOF')],
      signal: 'SIGKILL',
      text: /^Prometheus was killed, which is what the kernel does when memory runs out$/,
    },
    { says: [line('error parsing commandline arguments: unknown long flag "--x"', 'warn')], text: /not supported/ },
    { says: [line('something else', 'info')], text: /^Prometheus ended with exit code 1; something else$/ },
    {
      says: [line('Received termination request via web service, exiting gracefully...', 'warn'), line('See you!')],
      code: 0,
      text: /^Prometheus ended in order with exit code 0, though the agent did not stop it: a client called its \/-\/quit/,
    },
    {
      says: [line('Received SIGTERM, exiting gracefully...', 'warn')],
      code: 0,
      text: /exit code 0, .*: another process sent it SIGTERM/,
    },
    {
      says: [line('Received an OS signal, exiting gracefully...', 'warn')],
      code: 0,
      text: /exit code 0, .*: another process sent it SIGTERM/,
    },
    { says: [line('See you!', 'info')], code: 0, text: /exit code 0, .*: it does not say why$/ },
  ];
  for (const { says, code = 1, signal, text } of table) {
    it(`is reported with its reason and the remedy: ${text.source}`, () => {
      const ending = { code: signal === undefined ? code : null, signal: signal ?? null, lines: says };
      assert.match(describeEnding(ending).text, text);
    });
  }
});
