import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { cleanError, readError } from '../../../agent/failures/errors.ts';
import { createFailures, type Failures } from '../../../agent/failures/failures.ts';
import { createProbe, type Probe } from '../../../agent/failures/probe.ts';
import { observeLimits, observeRules } from '../../../agent/failures/states.ts';
import type { RuleHealth, TargetHealth } from '../../../agent/prometheus/api/client.ts';
import { createLog } from '../../../agent/shared/log.ts';
import { createTroubles } from '../../../agent/system/troubles.ts';

const SECRET_URL = 'http://me:secret@metrics.example.com/write?token=secret';
const FAR = `{remote_name="far",url="${SECRET_URL}"}`;
const AM_URL = 'http://am.example.com:9093/secret/api/v2/alerts';
const AM = `{alertmanager="${AM_URL}"}`;
const RULE: RuleHealth = {
  ...{ file: 'f', group: 'shop', name: 'all:up', health: 'err', lastError: 'no match', lastEvaluation: '1' },
  annotations: [],
};
const TARGET: TargetHealth = { health: 'down', lastError: '', lastScrape: '', pool: 'base', discovered: {} };

interface Scene {
  readonly failures: Failures;
  readonly asked: string[];
  readonly answers: {
    alertmanagers: readonly string[];
    rules: readonly RuleHealth[] | Error;
    targets: readonly TargetHealth[];
  };
  /** Looks at a page some seconds later, and returns what is told then. */
  readonly after: (seconds: number, page: readonly string[]) => Promise<string[]>;
}

function startScene(probe?: Probe): Scene {
  let nowMs = 0;
  const troubles = createTroubles(createLog('silent', []), () => nowMs);
  const asked: string[] = [];
  const answers: Scene['answers'] = { alertmanagers: [AM_URL], rules: [], targets: [] };
  const failures = createFailures({
    probe,
    client: {
      alertmanagers: () => Promise.resolve(answers.alertmanagers),
      rules() {
        asked.push('rules');
        return answers.rules instanceof Error ? Promise.reject(answers.rules) : Promise.resolve(answers.rules);
      },
      targets() {
        asked.push('targets');
        return Promise.resolve(answers.targets);
      },
    },
    ...{ troubles, wallMs: () => nowMs, nowMs: () => nowMs, onFailure: () => undefined, onFailing: () => undefined },
  });
  return {
    failures,
    asked,
    answers,
    async after(seconds, page) {
      nowMs += seconds * 1_000;
      await failures.look(`${page.join('\n')}\n`);
      return troubles.current().map(({ text }) => text);
    },
  };
}

/** The metrics of a sender. */
function sending(counts: { failed?: number; retried?: number; sent?: number }): string[] {
  return [
    `prometheus_remote_storage_samples_failed_total${FAR} ${counts.failed ?? 0}`,
    `prometheus_remote_storage_samples_retried_total${FAR} ${counts.retried ?? 0}`,
    ...(counts.sent === undefined
      ? []
      : [`prometheus_remote_storage_queue_highest_sent_timestamp_seconds${FAR} ${counts.sent}`]),
  ];
}

describe('a remote_write', () => {
  it('that refuses samples fails, though Prometheus counts them as sent', async () => {
    const { after } = startScene();
    await after(0, sending({ failed: 0, sent: 1 }));
    await after(15, sending({ failed: 100, sent: 16 }));
    const told = await after(60, sending({ failed: 200, sent: 76 }));
    assert.match(told.join(), /^remote_write to far \(metrics\.example\.com\) fails: Prometheus' log has the reason; /);
    assert.ok(!told.join().includes('secret'));
    assert.deepEqual(await after(15, sending({ failed: 200, sent: 91 })), []);
  });

  it('that cannot be reached fails, and one that succeeds at a retry does not', async () => {
    const away = startScene();
    await away.after(0, sending({}));
    await away.after(15, sending({ retried: 4 }));
    assert.equal((await away.after(60, sending({ retried: 8 }))).length, 1);
    const slow = startScene();
    await slow.after(0, sending({ sent: 1 }));
    await slow.after(15, sending({ retried: 4, sent: 16 }));
    assert.deepEqual(await slow.after(60, sending({ retried: 8, sent: 76 })), []);
  });

  it('does not fail for what Prometheus counted before the first observation', async () => {
    const { after } = startScene();
    for (const seconds of [0, 60, 60]) assert.deepEqual(await after(seconds, sending({ failed: 9, sent: 1 })), []);
  });

  it('is reported with the last error that Prometheus logged, without secrets', async () => {
    const { after, failures } = startScene();
    await after(0, sending({}));
    await after(15, sending({ retried: 4 }));
    failures.onLine({
      ...{ level: 'warn', message: 'Failed to send batch, retrying' },
      fields: {
        ...{ component: 'remote', remote_name: 'far', url: SECRET_URL },
        err: `Post "${SECRET_URL}": server at ${SECRET_URL} says no`,
      },
    });
    assert.deepEqual(await after(60, sending({ retried: 8 })), [
      'remote_write to far (metrics.example.com) fails: server at metrics.example.com says no; check that it runs and its URL in the setting remote_write',
    ]);
  });
});

describe('an Alertmanager', () => {
  it('fails while no alert reaches it, in the counts of Prometheus 2.42 and 3.14', async () => {
    // 2.42 counts what fails as sent.
    for (const sent of [1, 0]) {
      const { after } = startScene();
      const page = (times: number, more = 0): string[] => [
        `prometheus_notifications_errors_total${AM} ${times}`,
        `prometheus_notifications_sent_total${AM} ${times * sent + more}`,
      ];
      await after(0, page(0));
      await after(15, page(1));
      assert.match((await after(60, page(2))).join(), /^sending alerts to Alertmanager am\.example\.com:9093 fails: /);
      assert.equal((await after(15, page(2))).length, 1);
      assert.deepEqual(await after(15, page(2, 1)), []);
    }
  });
});

describe('an Alertmanager that is sent nothing', () => {
  const page = [`prometheus_notifications_errors_total${AM} 0`];

  it('fails while nothing listens at its address, until something does', async () => {
    let error: string | undefined = 'connect ECONNREFUSED';
    const { after } = startScene(() => Promise.resolve(error));
    assert.deepEqual(await after(0, page), []);
    assert.deepEqual(await after(60, page), [
      'sending alerts to Alertmanager am.example.com:9093 fails: connect ECONNREFUSED; check that it runs and its URL in the setting alertmanagers',
    ]);
    error = undefined;
    assert.deepEqual(await after(15, page), []);
  });

  it('still fails when it listens and has refused the last alerts', async () => {
    const { after } = startScene(() => Promise.resolve(undefined));
    const failed = (times: number): string[] => [`prometheus_notifications_errors_total${AM} ${times}`];
    await after(0, failed(0));
    await after(15, failed(1));
    await after(60, failed(2));
    assert.equal((await after(15, failed(2))).length, 1);
  });

  it('is probed by a connection', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    const probe = createProbe(() => [url, 'http://[::1]:1', 'http://no-such-host.invalid']);
    assert.equal(await probe(`${url}/api/v2/alerts`), undefined);
    server.close();
    await once(server, 'close');
    assert.match((await probe(`${url}/api/v2/alerts`)) ?? '', /ECONNREFUSED/);
    assert.equal(await createProbe(() => [])(`${url}/api/v2/alerts`), undefined, 'one of the base');
    assert.notEqual(await probe('http://[::1]:1/'), undefined);
    assert.notEqual(await probe('http://no-such-host.invalid/'), undefined);
  });
});

describe('an Alertmanager that is removed', () => {
  it('fails no longer a minute later, though Prometheus 2.42 keeps its metrics', async () => {
    const { after, answers } = startScene();
    const page = (times: number): string[] => [`prometheus_notifications_errors_total${AM} ${times}`];
    await after(0, page(0));
    await after(15, page(1));
    assert.equal((await after(60, page(2))).length, 1);
    answers.alertmanagers = [];
    assert.equal((await after(30, page(2))).length, 1, 'it may be found again');
    assert.deepEqual(await after(30, page(2)), []);
  });
});

describe('a rule', () => {
  const page = (failed: number): string[] => [
    `prometheus_rule_evaluation_failures_total{rule_group="f;shop"} ${failed}`,
  ];

  it('is queried only while rules fail, and reported after two failed evaluations', async () => {
    const { after, asked, answers } = startScene();
    await after(0, page(0));
    assert.deepEqual(asked, []);
    answers.rules = [RULE];
    await after(15, page(1));
    assert.deepEqual(await after(60, page(1)), [], 'it was evaluated once');
    answers.rules = [{ ...RULE, lastEvaluation: '2' }];
    assert.deepEqual(await after(15, page(2)), [
      'rule all:up (group shop) fails: no match; correct it in the setting rules',
    ]);
    answers.rules = new Error('timeout');
    assert.equal((await after(15, page(2))).length, 1, 'nothing is known');
    answers.rules = [{ ...RULE, health: 'ok', lastError: '' }];
    assert.deepEqual(await after(15, page(2)), []);
    const before = asked.length;
    await after(15, page(2));
    assert.equal(asked.length, before);
  });

  it('is queried again when Prometheus did not answer at its only new failure', async () => {
    const { after, asked, answers } = startScene();
    answers.rules = new Error('timeout');
    await after(0, page(1));
    await after(15, page(1));
    assert.equal(asked.length, 2);
  });

  it('fails when an annotation of its alert cannot be expanded', () => {
    const annotations = ['<error expanding template: error executing template x: no such function>'];
    const { observations } = observeRules([{ ...RULE, health: 'ok', lastError: '', annotations }], new Map());
    assert.equal(observations[0]?.verdict, 'fails');
    assert.match(observations[0].error ?? '', /no such function/);
  });

  it('counts as one with another rule of its name, and fails if either does', () => {
    const { observations } = observeRules(
      [{ ...RULE, health: 'ok' }, RULE, { ...RULE, name: 'x', health: 'unknown' }],
      new Map(),
    );
    assert.deepEqual(
      observations.map(({ name, verdict }) => [name, verdict]),
      [
        ['all:up (group shop)', 'fails'],
        ['x (group shop)', 'idle'],
      ],
    );
  });
});

describe('a group of rules', () => {
  it('that misses evaluations is reported', async () => {
    const { after } = startScene();
    const page = (missed: number, done: number): string[] => [
      `prometheus_rule_group_iterations_missed_total{rule_group="f;shop"} ${missed}`,
      `prometheus_rule_group_iterations_total{rule_group="f;shop"} ${done}`,
    ];
    await after(0, page(0, 0));
    await after(15, page(1, 1));
    assert.match((await after(60, page(2, 2))).join(), /^rule group shop misses evaluations: .*raise its interval/);
    assert.deepEqual(await after(15, page(2, 3)), []);
  });
});

describe('a limit', () => {
  it('that drops the targets of a job is reported with its error', async () => {
    const { after, answers } = startScene();
    const page = ['prometheus_target_scrape_pool_exceeded_target_limit_total 1'];
    const error = 'target_limit exceeded (number of targets: 2, limit: 1)';
    answers.targets = [
      { ...TARGET, lastError: error },
      { ...TARGET, lastError: error },
    ];
    await after(0, page);
    assert.deepEqual(await after(60, page), [
      `targets of the job base are dropped: ${error} (2 targets); expose less, or ask an administrator to raise the limit in the base configuration`,
    ]);
    answers.targets = [{ ...TARGET, health: 'up' }];
    assert.deepEqual(await after(15, page), []);
  });

  it("is any that Prometheus has, except those of the instance's capacity, which units report themselves", () => {
    const ofApp = { ...TARGET, discovered: { __meta_tsuru_app: 'my-app' } };
    const cases: readonly (readonly [target: TargetHealth, error: string, verdict: string])[] = [
      [TARGET, 'sample limit exceeded', 'fails'],
      [TARGET, 'body size limit exceeded', 'fails'],
      [TARGET, 'histogram bucket limit exceeded', 'fails'],
      [TARGET, 'label_value_length_limit exceeded (metric: x)', 'fails'],
      [TARGET, 'context deadline exceeded', 'works'],
      [ofApp, 'sample limit exceeded', 'works'],
      [ofApp, 'body size limit exceeded', 'works'],
      [ofApp, 'label_limit exceeded (metric: x)', 'fails'],
    ];
    for (const [target, lastError, verdict] of cases)
      assert.equal(observeLimits([{ ...target, lastError }])[0]?.verdict, verdict, lastError);
  });
});

describe("an error of Prometheus' log", () => {
  const of = (message: string, fields: Readonly<Record<string, unknown>>): string | undefined =>
    readError({ level: 'warn', message, fields: { err: 'EOF', ...fields } })?.kind;

  it('belongs to a receiver in the format of Prometheus 2.42 and 3.14, and to nothing else', () => {
    assert.equal(of('Error sending alert', { alertmanager: 'http://a' }), 'alertmanager');
    assert.equal(of('Error sending alerts', { alertmanager: 'http://a' }), 'alertmanager');
    assert.equal(of('Failed to send batch, retrying', { remote_name: 'far' }), 'remote_write');
    assert.equal(of('non-recoverable error', { remote_name: 'far' }), 'remote_write');
    assert.equal(of('non-recoverable error while sending metadata', { remote_name: 'far' }), undefined);
    assert.equal(of('non-recoverable error', {}), undefined);
    assert.equal(of('Error sending alerts', { alertmanager: 'http://a', err: 7 }), undefined);
  });

  it('is short, and shows nothing of a URL but its host', () => {
    assert.equal(
      cleanError(`Post "${SECRET_URL}": dial tcp 10.0.0.1:80: connect: connection refused`),
      'dial tcp 10.0.0.1:80: connect: connection refused',
    );
    assert.equal(cleanError(`server returned HTTP status 400 Bad Request: a\nb`), 'HTTP status 400 Bad Request: a b');
    assert.equal(cleanError(`proxyconnect ${SECRET_URL}, twice`), 'proxyconnect metrics.example.com twice');
    assert.equal(cleanError('x'.repeat(1_000)).length, 160);
  });
});

describe('queries', () => {
  it('that a limit stops repeatedly are reported until 20 minutes have passed without one', async () => {
    const { after, failures } = startScene();
    failures.onStopped('query_max_samples', 'query processing would load too many samples');
    assert.deepEqual(await after(0, []), []);
    assert.deepEqual(await after(60, []), [], 'one query is no trouble');
    failures.onStopped('query_max_samples', 'query processing would load too many samples');
    assert.deepEqual(await after(15, []), [
      'queries are stopped by query_max_samples: query processing would load too many samples; ask for fewer series, a shorter range or a longer step',
    ]);
    for (let minute = 1; minute < 20; minute++) assert.equal((await after(60, [])).length, 1);
    assert.deepEqual(await after(60, []), []);
  });
});
