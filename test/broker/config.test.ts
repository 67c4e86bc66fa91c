import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readConfig, VARIABLES } from '../../broker/config.ts';
import { environmentOf } from './stage.ts';

const GOOD = environmentOf('http://127.0.0.1:1', 'token');

function problemsOf(more: Readonly<Record<string, string>>): readonly string[] {
  const result = readConfig({ ...GOOD, ...more });
  return result.ok ? [] : result.problems;
}

describe('the environment', () => {
  it('needs every variable without a default, and names all missing ones at once', () => {
    const result = readConfig({});
    assert.ok(!result.ok);
    const required = VARIABLES.filter((variable) => variable.default === undefined);
    assert.equal(result.problems.length, required.length);
    for (const { name } of required)
      assert.ok(result.problems.some((problem) => problem.startsWith(`${name} is not set`)));
  });

  for (const [name, value, wanted] of [
    ['BROKER_USERNAME', '', /^BROKER_USERNAME is not set/],
    ['BROKER_PASSWORD', '  ', /^BROKER_PASSWORD is not set/],
    [
      'BROKER_PASSWORD',
      'fifteen-letters',
      /^BROKER_PASSWORD cannot be used: it must be at least 16 characters in one line\.$/,
    ],
    ['BROKER_PASSWORD', 'in two\nlines of text', /^BROKER_PASSWORD cannot be used: it must be at least 16/],
    ['BROKER_EVENTS_TOKEN', ' ', /^BROKER_EVENTS_TOKEN is empty: set it .* or unset it/],
    ['BROKER_EVENTS_TOKEN', 'fifteen-letters', /^BROKER_EVENTS_TOKEN cannot be used: it must be at least 16 visible/],
    ['BROKER_EVENTS_TOKEN', 'with a space in between', /^BROKER_EVENTS_TOKEN cannot be used/],
    ['BROKER_EVENTS_TOKEN', GOOD['BROKER_PASSWORD'] ?? '', /^BROKER_EVENTS_TOKEN must be no other secret/],
    ['BROKER_USERNAME', 'a:b', /^BROKER_USERNAME cannot be used/],
    ['BROKER_PLAN', 'x', /^BROKER_PLAN is not known, did you mean "BROKER_PLANS"\?/],
    ['BROKER_PLANS', '/nowhere/plans.yaml', /^BROKER_PLANS=\/nowhere\/plans.yaml cannot be read/],
    ['BROKER_SERVICE', 'My Service', /^BROKER_SERVICE=My Service cannot be used/],
    ['BROKER_INSTANCE_URL', 'http://example.com', /^BROKER_INSTANCE_URL=.+ must be an address with \{address\}/],
    ['PORT', '70000', /^PORT=70000 cannot be used/],
    ['TSURU_HOST', 'ftp://x', /^TSURU_HOST=ftp:\/\/x cannot be used/],
  ] as const) {
    it(`is refused with ${name}=${value}`, () => {
      const problems = problemsOf({ [name]: value });
      assert.ok(
        problems.some((problem) => wanted.test(problem)),
        problems.join('\n'),
      );
    });
  }

  it('shows no secret in its problems', () => {
    const secrets = { TSURU_TOKEN: 's3cret token', BROKER_PASSWORD: 's3\u0007cret', BROKER_USERNAME: 's3:cret' };
    const problems = problemsOf(secrets);
    assert.equal(problems.length, 3);
    assert.doesNotMatch(problems.join(), /s3/);
  });
});
