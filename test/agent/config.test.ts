import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readConfig } from '../../agent/config.ts';
import type { Environment } from '../../agent/shared/environment.ts';

const VALID: Environment = {
  TSURU_HOST: 'https://tsuru.example.com',
  TSURU_TOKEN: 'secret-token',
  GATEWAY_USERNAME: 'instance',
  GATEWAY_PASSWORD: 'a-secret-password',
};

function problems(more: Environment): readonly string[] {
  const result = readConfig({ ...VALID, ...more });
  return result.ok ? [] : result.problems;
}

describe("the agent's configuration", () => {
  it('needs only the address of Tsuru, a token, and who may pass the public port', () => {
    const result = readConfig(VALID);
    assert.ok(result.ok);
    assert.equal(result.config.tsuruUrl.href, 'https://tsuru.example.com/');
    assert.equal(result.config.pollIntervalMs, 15_000);
    assert.deepEqual(result.config.listen, { host: '127.0.0.1', port: 9091 });
    assert.equal(result.config.ownApp, undefined);
  });

  it('has the agent run its own Prometheus behind the public port, unless there is one already', () => {
    const own = readConfig(VALID);
    assert.ok(own.ok);
    assert.equal(own.config.prometheus.kind, 'supervised');
    assert.equal(own.config.prometheus.url.href, 'http://127.0.0.1:9090/');
    assert.deepEqual(own.config.gateway?.listen, { host: '::', port: 8888 });
    const external = readConfig({
      ...VALID,
      PROMETHEUS_URL: 'http://127.0.0.1:9999',
      GATEWAY_USERNAME: '',
      GATEWAY_PASSWORD: '',
    });
    assert.ok(external.ok);
    assert.equal(external.config.prometheus.kind, 'external');
    assert.equal(external.config.gateway, undefined);
  });

  it("takes Tsuru's address without a scheme, as the tsuru client does", () => {
    const result = readConfig({ ...VALID, TSURU_HOST: 'tsuru.example.com:8080' });
    assert.ok(result.ok);
    assert.equal(result.config.tsuruUrl.href, 'http://tsuru.example.com:8080/');
  });

  it('treats an empty variable as unset', () => {
    assert.deepEqual(problems({ AGENT_LISTEN: '' }), []);
  });

  const table: readonly [Environment, string][] = [
    [
      { TSURU_HOST: '' },
      "TSURU_HOST is not set: it must be Tsuru's address without user or query, such as https://tsuru.example.com.",
    ],
    [
      { TSURU_HOST: 'ftp://x' },
      "TSURU_HOST=ftp://x cannot be used: it must be Tsuru's address without user or query, such as https://tsuru.example.com.",
    ],
    [
      { TSURU_HOST: 'http://u:p@x' },
      "TSURU_HOST cannot be used: it must be Tsuru's address without user or query, such as https://tsuru.example.com.",
    ],
    [
      { GATEWAY_PASSWORD: '' },
      'GATEWAY_PASSWORD is not set: without user and password the public port would be open to everybody.',
    ],
    [{ GATEWAY_USERNAME: 'a:b' }, 'GATEWAY_USERNAME cannot be used: it must be visible characters without a colon.'],
    ...['short', 'fifteen-letters', 'ünïcode🔒🔒🔒🔒🔒🔒🔒', 'in two\nlines of text'].map(
      (password): [Environment, string] => [
        { GATEWAY_PASSWORD: password },
        'GATEWAY_PASSWORD cannot be used: it must be at least 16 characters in one line.',
      ],
    ),
    [
      { GATEWAY_PASSWORD: 'short', PROMETHEUS_URL: 'http://127.0.0.1:9999' },
      'GATEWAY_PASSWORD cannot be used: it must be at least 16 characters in one line.',
    ],
    [
      { AGENT_PROMETHEUS_LISTEN: '0.0.0.0:9090' },
      'AGENT_PROMETHEUS_LISTEN=0.0.0.0:9090 cannot be used: Prometheus is reached through the public port only, so it must be a loopback address such as 127.0.0.1, with a port.',
    ],
    [
      { AGENT_STORAGE_DIR: '/data', AGENT_DATA_DIR: '/data' },
      'AGENT_STORAGE_DIR cannot be used: it must be another folder than AGENT_DATA_DIR.',
    ],
    [{ PORT: '9090' }, 'PORT cannot be used: AGENT_PROMETHEUS_LISTEN has port 9090 already.'],
    [{ AGENT_LISTEN: '127.0.0.1:9090' }, 'AGENT_LISTEN cannot be used: AGENT_PROMETHEUS_LISTEN has port 9090 already.'],
    [{ PORT: '99999' }, 'PORT=99999 cannot be used: it must be a port.'],
    [{ TSURU_TOKEN: undefined }, 'TSURU_TOKEN is not set: it must be a token of visible characters in one line.'],
    [
      { TSURU_TOKEN: 'two\nlines' },
      'TSURU_TOKEN cannot be used: it must be a token of visible characters in one line.',
    ],
    [
      { PROMETHEUS_URL: 'localhost:9090' },
      'PROMETHEUS_URL=localhost:9090 cannot be used: it must be an address without user or query, such as http://127.0.0.1:9090.',
    ],
    [
      { AGENT_LISTEN: '9091' },
      'AGENT_LISTEN=9091 cannot be used: it must be an IP address and a port, such as 127.0.0.1:9091 or [::1]:9091.',
    ],
    [
      { AGENT_LISTEN: '127.0.0.1:99999' },
      'AGENT_LISTEN=127.0.0.1:99999 cannot be used: it must be an IP address and a port, such as 127.0.0.1:9091 or [::1]:9091.',
    ],
    [{ AGENT_DATA_DIR: 'data' }, 'AGENT_DATA_DIR=data cannot be used: it must be an absolute path.'],
    [
      { AGENT_POLL_INTERVAL: '15' },
      'AGENT_POLL_INTERVAL=15 cannot be used: it must be a duration from 100ms to 1h, such as 15s.',
    ],
    [
      { AGENT_SCRAPE_TIMEOUT: '20s' },
      'AGENT_SCRAPE_TIMEOUT cannot be used: it must not be above AGENT_SCRAPE_INTERVAL.',
    ],
    [
      { AGENT_TARGETS_PER_APP: '0' },
      'AGENT_TARGETS_PER_APP=0 cannot be used: it must be a whole number from 1 to 100000.',
    ],
    [
      { AGENT_LOG_LEVEL: 'loud' },
      'AGENT_LOG_LEVEL=loud cannot be used: it must be one of debug, info, warn, error, silent.',
    ],
    [{ AGENT_POLL_INTERVALL: '15s' }, 'AGENT_POLL_INTERVALL is not known, did you mean "AGENT_POLL_INTERVAL"?'],
    [
      { AGENT_COLOUR: 'red' },
      'AGENT_COLOUR is not known: there are AGENT_PROMETHEUS_LISTEN, AGENT_STORAGE_DIR, AGENT_GATEWAY_ADDRESS, AGENT_LISTEN, AGENT_DATA_DIR, AGENT_BASE_CONFIG, AGENT_RULES_DIR, AGENT_POLL_INTERVAL, AGENT_SCRAPE_INTERVAL, AGENT_SCRAPE_TIMEOUT, AGENT_TARGETS_PER_APP, AGENT_LOG_LEVEL.',
    ],
  ];
  for (const [environment, problem] of table) {
    it(`is refused with one sentence: ${problem}`, () => {
      assert.deepEqual(problems(environment), [problem]);
    });
  }

  it('reports all problems at once, and never the token', () => {
    const all = problems({ TSURU_TOKEN: 'se cret', AGENT_LISTEN: 'x', AGENT_POLL_INTERVAL: 'y' });
    assert.equal(all.length, 3);
    assert.doesNotMatch(all.join(), /se cret/);
  });
});
