import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { dump } from 'js-yaml';
import { parseSettings, readSettings, SETTINGS } from '../../../../agent/shared/settings/settings.ts';
import { formatBytes, parseBytes } from '../../../../agent/shared/settings/bytes.ts';
import { readYaml } from '../../../../agent/shared/settings/yaml.ts';

/** The input is another in each run; SEED, as a failed run shows it, brings it back. */
const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const RUNS = { seed: SEED, numRuns: 1_000 };
const SECRET = 'hunter2S3cret';
/** More than any honest input of 64 KiB takes on a slow machine; what is quadratic takes ten times as long. */
const LONGEST_MS = 2_000;

const names = SETTINGS.map(({ name }) => name);
const anyName = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...names) },
  fc.string({ unit: 'binary' }),
  fc.constantFrom('__proto__', 'constructor', 'toString'),
);
const yamlPiece = fc.constantFrom(
  ...[
    '- ',
    'url: ',
    'groups:',
    '\n',
    '  ',
    '&a ',
    '*a',
    '[',
    ']',
    '{',
    '}',
    '"',
    "'",
    'a=b',
    ',',
    '|',
    '>',
    '? ',
    ': ',
    '!!str ',
    '---',
    '#',
    '\t',
    'name: x',
    '<<: ',
  ],
);
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(yamlPiece, { maxLength: 30 }).map((pieces) => pieces.join('')),
  fc.constantFrom('1d', '5s', '\ud800', '512MB', 'a=b', 'http://a', 'null'),
);
const anyValue = fc.oneof(text, fc.jsonValue(), fc.anything({ withNullPrototype: true, withBigInt: true }));

const url = fc
  .tuple(fc.constantFrom('http', 'https'), fc.domain(), fc.webPath())
  .map(([scheme, host, path]) => `${scheme}://${host}${path}`);
const env = fc.stringMatching(/^X_[A-Z0-9_]{0,10}$/);
const word = fc.stringMatching(/^[a-z]{1,8}$/);
const labelText = fc.string({ unit: 'grapheme', minLength: 1 }).filter((value) => !value.includes('$'));
const authentication = fc.oneof(
  fc.constant({}),
  fc.record({ basic_auth: fc.record({ username: word, password_env: env }) }),
  fc.record({ authorization: fc.record({ type: word, credentials_env: env }) }),
);
const alertmanager = fc.tuple(fc.record({ url }), authentication).map(([one, more]) => ({ ...one, ...more }));
const remote = fc
  .tuple(
    fc.record({
      url,
      headers: fc
        .tuple(
          fc.dictionary(fc.constantFrom('X-Scope-OrgID', 'THANOS-TENANT', 'X-Tenant'), word),
          fc.dictionary(fc.stringMatching(/^X-[A-F]{1,5}$/), fc.record({ env: fc.constantFrom('A_KEY', 'B_KEY') })),
        )
        .map(([plain, secret]) => ({ ...plain, ...secret })),
      write_relabel_configs: fc.array(
        fc.record(
          { source_labels: fc.array(word), modulus: fc.integer({ min: 1 }), regex: labelText },
          { requiredKeys: [] },
        ),
      ),
    }),
    authentication,
    fc.record({ store: fc.constantFrom('victoriametrics', 'thanos', 'mimir', 'cortex', 'amp') }, { requiredKeys: [] }),
  )
  .map(([one, ...more]) => ({ ...one, ...more[0], ...more[1] }));
const span = fc.integer({ min: 3600, max: 86_400_000 }).map((seconds) => `${seconds}s`);
const size = fc.integer({ min: 64, max: 1_000_000 }).map((megabytes) => `${megabytes}MB`);

const validInput = fc.record(
  {
    retention: span,
    storage_size: size,
    storage: fc.constantFrom('tmpfs', 'ephemeral'),
    scrape_interval: fc.integer({ min: 1, max: 3600 }).map((seconds) => `${seconds}s`),
    evaluation_interval: fc.integer({ min: 1000, max: 3_600_000 }).map((ms) => `${ms}ms`),
    external_labels: fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9_]{0,5}$/), labelText),
    rules: fc
      .array(fc.record({ record: word, expr: labelText.filter((expr) => expr.trim() !== '') }))
      .map((rules) => ({ groups: [{ name: 'g', rules }] })),
    alertmanagers: fc.uniqueArray(alertmanager, { selector: (one) => new URL(one.url).href, maxLength: 3 }),
    remote_write: fc.uniqueArray(remote, { selector: (one) => new URL(one.url).href, maxLength: 3 }),
    targets_per_app: fc.integer({ min: 1, max: 100_000 }),
    drop_metrics: fc.array(fc.stringMatching(/^[a-z_:][a-z0-9_:.]{0,5}[*]?$/), { maxLength: 3 }),
    samples_per_scrape: fc.integer({ min: 0, max: 100_000_000 }),
    query_max_samples: fc.integer({ min: 1_000, max: 1_000_000_000 }),
  },
  { requiredKeys: [] },
);

/** The ways in which secrets are given by mistake. */
const leaky = fc.oneof(
  fc.constantFrom(
    `https://${SECRET}@host/`,
    `https://me:${SECRET}@host/`,
    `https://me:${SECRET}@ho st/`,
    `https://host:x/?token=${SECRET}`,
    `url: "https://me:${SECRET}@host`,
    `- *${SECRET}`,
    `- !<${SECRET} x`,
    `- !a!${SECRET} x`,
    `{"https://me:${SECRET}@host": null}`,
    `url: x\nbasic_auth: {username: me, password: ${SECRET}`,
  ),
  fc
    .tuple(
      fc.constantFrom('basic_auth', 'authorization', 'headers', 'oauth2'),
      fc.constantFrom(
        'password',
        'password_env',
        'pasword',
        'credentials',
        'credentials_env',
        'bearer_token',
        'type',
        'X-Api-Key',
        'Authorization',
        'username',
      ),
      fc.constantFrom<(secret: string) => unknown>(
        (secret) => secret,
        (secret) => [secret],
        (secret) => ({ '': secret }),
        (secret) => `${secret}é:`,
      ),
      fc.boolean(),
    )
    .map(([outer, inner, wrap, asYaml]) => {
      const value = { url: 'https://host', bad: 1, [outer]: { [inner]: wrap(SECRET) } };
      return asYaml ? dump(value) : value;
    }),
);

describe('any settings', () => {
  it('never throw, and their problems are short and few', () => {
    const inputs = fc
      .array(fc.tuple(anyName, anyValue), { maxLength: 5 })
      .map((entries) => Object.fromEntries(entries) as Record<string, unknown>);
    fc.assert(
      fc.property(inputs, inputs, inputs, (input, defaults, ceilings) => {
        const result = readSettings(input, { defaults, ceilings });
        if (result.ok) return;
        assert.ok(result.problems.length > 0 && result.problems.length <= 21);
        for (const problem of result.problems) {
          assert.ok(problem.length <= 400 && problem.isWellFormed() && !/\p{Cc}/u.test(problem), problem);
        }
      }),
      RUNS,
    );
    fc.assert(
      fc.property(fc.oneof(text, fc.json()), (annotation) => void parseSettings(annotation)),
      RUNS,
    );
  });

  it('never have a secret in their problems', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('external_labels', 'rules', 'alertmanagers', 'remote_write'),
        leaky,
        (name, value) => {
          const result = readSettings({ [name]: value, unknown: 1 }, { defaults: { [name]: value } });
          assert.ok(!result.ok && !result.problems.join('\n').includes(SECRET), JSON.stringify(result));
        },
      ),
      RUNS,
    );
  });

  it('that are valid are read from their annotation as they were, and written as the same', () => {
    fc.assert(
      fc.property(validInput, (input) => {
        const result = readSettings(input);
        assert.ok(result.ok, JSON.stringify(result));
        assert.deepEqual(parseSettings(result.text), result);
      }),
      RUNS,
    );
  });

  it('that are valid mean the same as YAML and as JSON in a form', () => {
    fc.assert(
      fc.property(validInput, (input) => {
        const entries = Object.entries<unknown>(input).filter(([name]) => name !== 'rules');
        const form = (write: (value: unknown) => string): Record<string, string> =>
          Object.fromEntries(entries.map(([name, value]) => [name, typeof value === 'string' ? value : write(value)]));
        const typed = readSettings(Object.fromEntries(entries));
        assert.deepEqual(readSettings(form((value) => JSON.stringify(value))), typed);
        assert.deepEqual(readSettings(form((value) => dump(value))), typed);
      }),
      RUNS,
    );
  });

  it('of 64 KiB are judged at once, however they are built', () => {
    const pieces = [
      '[',
      '{',
      '- ',
      '? ',
      '&a ',
      'a: ',
      '"',
      ',',
      ' ',
      '\n',
      '- a\n',
      '*a ',
      'a=,',
      '[a: ',
      '1,',
      '://',
      'a\n\n  b\n',
      '\\',
    ];
    for (const piece of pieces) {
      const long = piece.repeat(65_000 / piece.length);
      for (const name of ['external_labels', 'rules', 'remote_write', 'retention', 'targets_per_app']) {
        for (const value of [long, `x${long}`, `${long}x:`]) {
          const startMs = performance.now();
          readSettings({ [name]: value });
          const tookMs = performance.now() - startMs;
          assert.ok(tookMs < LONGEST_MS, `${name} of ${JSON.stringify(piece)} took ${tookMs} ms`);
        }
      }
    }
  });

  it('with aliases of aliases stay small', () => {
    const levels = Array.from(
      { length: 30 },
      (_, level) => `a${level + 1}: &a${level + 1} [${`*a${level},`.repeat(9)}]`,
    );
    const result = readYaml(`a0: &a0 x\n${levels.join('\n')}\n`);
    // A value that was read would be too large to be shown.
    assert.equal(result.ok ? 'read' : result.reason, 'too many values (line 6)');
  });
});

describe("Prometheus' sizes", () => {
  it('are written so that they are read as the same', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 50 }), (bytes) => {
        assert.equal(parseBytes(formatBytes(bytes)), bytes);
      }),
      RUNS,
    );
  });
});
