import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { TsuruWriter } from '../../../agent/shared/tsuru.ts';
import { check as findingsOf } from '../../../broker/commands/check.ts';
import { OPTIONAL_CALLS, PERMISSIONS } from '../../../broker/tsuru/permissions.ts';
import { freeAddress } from '../../support/address.ts';
import { startProgram } from '../../support/program.ts';
import { environmentOf, startStage, type Stage } from '../stage.ts';

const MAIN = fileURLToPath(new URL('../../../broker/main.ts', import.meta.url));

interface Run {
  readonly end: number | string;
  readonly lines: readonly string[];
  readonly problems: readonly string[];
}

/** What an administrator reads who types `node broker/main.ts check`. */
async function check(
  stage: Stage,
  env: Readonly<Record<string, string>> = {},
  ...args: readonly string[]
): Promise<Run> {
  const program = startProgram({
    command: process.execPath,
    args: [MAIN, 'check', ...args],
    env: { ...environmentOf(stage.tsuru.url, stage.brokerToken), ...env },
  });
  const end = await program.end;
  const problems = program.lines.filter((line) => line.startsWith('PROBLEM')).map((line) => line.slice(9));
  return { end, lines: program.lines, problems };
}

/** The problems that the check finds where Tsuru lists these permissions of the token. */
async function problemsWith(permissions: readonly { name: string; context: string }[]): Promise<readonly string[]> {
  const list = permissions.map(({ name, context }) => ({ Name: name, ContextType: context, ContextValue: 'shop' }));
  const tsuru: TsuruWriter = {
    get(call) {
      const body = call === 'own_permissions' ? { Permissions: list } : call === 'volume_plans' ? {} : [];
      const chunks = [Buffer.from(JSON.stringify(body))];
      return Promise.resolve({ status: 200, requestId: '', chunks });
    },
    send: () => Promise.reject(new Error('a check changes nothing')),
    quote: (words) => words,
    close: () => Promise.resolve(),
  };
  const findings = await findingsOf({ tsuru, plans: [], service: 'prometheus', pool: '' }, AbortSignal.timeout(10_000));
  return findings.filter(({ kind }) => kind === 'problem').map(({ text }) => text);
}

const NEEDED = [
  ...new Set(Object.entries(PERMISSIONS).flatMap(([call, needed]) => (OPTIONAL_CALLS.includes(call) ? [] : needed))),
].sort();

describe('the check of an installation', () => {
  it('finds nothing wrong with one that works, as text and as JSON', async () => {
    await using stage = await startStage();
    const { end, lines, problems } = await check(stage);
    assert.deepEqual(problems, []);
    assert.equal(lines.at(-1), 'Nothing is wrong.');
    assert.equal(end, 0);
    const json = await check(stage, {}, '--json');
    const findings = JSON.parse(json.lines.join('\n')) as { kind: string }[];
    assert.ok(findings.length >= 4 && findings.every(({ kind }) => kind === 'good'));
  });

  for (const missing of NEEDED) {
    it(`names ${missing} where the token lacks it, with the calls that need it and the command that grants it`, async () => {
      const rest = NEEDED.filter((one) => one !== missing && !missing.startsWith(`${one}.`));
      const problems = await problemsWith(rest.map((name) => ({ name, context: 'global' })));
      const named = problems.find((text) => text.startsWith(`The token of the broker lacks ${missing} (needed for `));
      assert.ok(named?.endsWith(`run "tsuru role-permission-add prometheus-broker ${missing}".`), problems.join('\n'));
    });
  }

  it('takes a permission for those below it, and names one that is held for a team alone', async () => {
    assert.deepEqual(await problemsWith([{ name: '', context: 'global' }]), []);
    const problems = await problemsWith([
      { name: '', context: 'global' },
      { name: 'app', context: 'team' },
    ]);
    assert.deepEqual(problems, []);
    const narrow = await problemsWith([{ name: 'app', context: 'team' }]);
    assert.ok(
      narrow.some((text) =>
        text.startsWith(
          'The token of the broker has app.create only for the team shop (needed for app_create): grant it by a role whose context is global.',
        ),
      ),
    );
  });

  it('says what is wrong with token, address, plans and service, each with its remedy', async () => {
    await using stage = await startStage();
    const wrong = await check(stage, { TSURU_TOKEN: 'not-a-token-of-tsuru' });
    assert.deepEqual(wrong.problems, [
      'Failed to check the broker\'s permissions: Tsuru rejects the token of the broker: create one with "tsuru token-create" and set it as TSURU_TOKEN.',
    ]);
    const away = await check(stage, { TSURU_HOST: `http://${freeAddress()}:1` });
    assert.equal(away.problems.length, 1);
    assert.match(away.problems[0] ?? '', /check TSURU_HOST, and that this machine reaches it\.$/);
    const pool = await check(stage, { BROKER_POOL: 'nosuch' });
    assert.match(pool.problems.join(), /There is no pool nosuch: name one of "tsuru pool-list"/);
    const service = await check(stage, { BROKER_SERVICE: 'nosuch' });
    assert.match(service.problems.join(), /Tsuru has no service nosuch: create it with "tsuru service-create"/);
    for (const { lines } of [wrong, away, pool, service]) assert.ok(!lines.join().includes(stage.brokerToken));
  });

  it('says when Tsuru does not get the plans from the broker', async () => {
    await using stage = await startStage();
    await stage.broker.stop();
    const { problems } = await check(stage);
    assert.equal(problems.length, 1);
    assert.match(
      problems[0] ?? '',
      /^Tsuru does not get the plans of prometheus from its broker \(.+\): check the endpoint/,
    );
  });

  it('refuses an unknown command in one sentence', async () => {
    const program = startProgram({ command: process.execPath, args: [MAIN, 'chek'], env: {} });
    assert.equal(await program.end, 2);
    assert.deepEqual(program.lines, [
      'There is no command chek, did you mean "check"?. See "node broker/main.ts --help".',
    ]);
  });
});
