import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, it } from 'node:test';
import type { Status } from '../../agent/shared/status.ts';
import type { RunningAgent } from '../support/agent.ts';
import { until } from '../support/until.ts';
import { silentImages, startWorld, type World } from '../support/world.ts';
import type { Fault } from '../tsuru/faults.ts';

/** The units of the target file, in order. */
async function targetUnits(agent: RunningAgent): Promise<string[]> {
  const groups = JSON.parse(await readFile(agent.targetsFile, 'utf8')) as readonly {
    targets: readonly string[];
    labels?: Readonly<Record<string, string>>;
  }[];
  return groups.flatMap(({ targets, labels }) => (targets.length === 0 ? [] : [labels?.['__meta_tsuru_unit'] ?? '']));
}

/** An agent that has written the two units of my-app and the one of other. */
async function startSettled(world: World): Promise<{ agent: RunningAgent; before: string[] }> {
  await world.bindNew('my-app', 2);
  await world.bindNew('other', 1);
  const agent = await world.startAgent();
  const before = await until('3 targets written', async () => {
    const units = await targetUnits(agent);
    return units.length === 3 && units;
  });
  return { agent, before };
}

function warnings(agent: RunningAgent): string[] {
  return agent.log().flatMap(({ level, msg }) => (level === 'warn' || level === 'error' ? [String(msg)] : []));
}

async function untilProblem(agent: RunningAgent, pattern: RegExp): Promise<Status> {
  return until(`the status to say ${pattern}`, async () => {
    const status = await agent.status();
    return pattern.test(status.problems.join('\n')) && status;
  });
}

/** A Tsuru in problem: what the status says, and what the metric of failed polls counts it as, if it fails polls. */
const TROUBLES: readonly {
  readonly title: string;
  readonly fault: Fault;
  readonly says: RegExp;
  readonly reason?: string;
}[] = [
  {
    title: 'answers 500',
    fault: { kind: 'status', status: 500, body: 'database is down' },
    says: /Tsuru answered 500: database is down/,
    reason: 'server_error',
  },
  {
    title: 'answers 401',
    fault: { kind: 'status', status: 401 },
    says: /401.*the token in TSURU_TOKEN was removed or replaced/,
    reason: 'unauthorized',
  },
  { title: 'answers 403', fault: { kind: 'status', status: 403 }, says: /Tsuru answered 403/, reason: 'forbidden' },
  {
    title: 'answers 404 for everything',
    fault: { kind: 'status', status: 404 },
    says: /Tsuru answered 404/,
    reason: 'not_found',
  },
  { title: 'redirects', fault: { kind: 'status', status: 302 }, says: /Tsuru answered 302/, reason: 'redirected' },
  {
    title: 'answers a page of HTML',
    fault: { kind: 'body', body: '<html>maintenance</html>' },
    says: /it is not JSON: it starts with "<html>/,
    reason: 'bad_answer',
  },
  {
    title: 'answers nothing with 200',
    fault: { kind: 'body', body: '' },
    says: /cannot be read: it is empty/,
    reason: 'bad_answer',
  },
  {
    title: 'answers null',
    fault: { kind: 'body', body: 'null' },
    says: /the list of apps is null, not a list/,
    reason: 'bad_answer',
  },
  {
    title: 'answers JSON of another shape',
    fault: { kind: 'body', body: '{"apps":[]}' },
    says: /not a list/,
    reason: 'bad_answer',
  },
  {
    title: 'breaks off its answers',
    fault: { kind: 'cut' },
    says: /could not be reached or broke off/,
    reason: 'network',
  },
  {
    title: 'cannot tell the units of any app',
    fault: { kind: 'units-unknown' },
    says: /units of my-app, other are unknown.*unable to list app units/,
  },
  {
    title: 'cannot tell the units of one app',
    fault: { kind: 'units-unknown', app: 'my-app' },
    says: /units of my-app are unknown/,
  },
  {
    title: 'lists no app at all by mistake',
    fault: { kind: 'status', status: 204, path: '/apps' },
    says: /missing from Tsuru's list, but it is there/,
  },
  {
    title: 'leaves an app out of its list',
    fault: { kind: 'app-missing', app: 'my-app' },
    says: /units of my-app are unknown.*missing from Tsuru's list/,
  },
  {
    title: 'lists an app twice and one without a name',
    fault: { kind: 'body', path: '/apps', body: '[{"name":"my-app"},{}]' },
    says: /an entry of Tsuru's list of apps has no name/,
  },
  {
    title: 'lists apps with units of the wrong shape',
    fault: { kind: 'body', path: '/apps', body: '[{"name":"my-app","units":[7]},{"name":"other","units":{}}]' },
    says: /units\[0\] is a number/,
  },
];

describe('no target is lost, and status, log and metrics tell why, when Tsuru', { concurrency: 4 }, () => {
  for (const { title, fault, says, reason } of TROUBLES) {
    it(title, async () => {
      await using world = await startWorld();
      const { agent, before } = await startSettled(world);
      const text = await readFile(agent.targetsFile, 'utf8');

      const mend = world.tsuru.faults.add(fault);
      await untilProblem(agent, says);
      if (reason !== undefined) {
        const series = `tsuru_agent_polls_failed_total{reason="${reason}"}`;
        await until('three failed polls', async () => ((await agent.metric(series)) ?? 0) >= 3);
      } else {
        assert.ok(((await agent.metric('tsuru_agent_apps_unknown')) ?? 0) >= 1);
      }
      assert.deepEqual(await targetUnits(agent), before);
      assert.equal(await readFile(agent.targetsFile, 'utf8'), text);
      const seen = warnings(agent).filter((line) => says.test(line));
      assert.equal(seen.length, 1, 'one line for all of it');

      mend();
      await world.addUnits('my-app', 1);
      await until('the new unit as a target', async () => (await targetUnits(agent)).length === 4);
      await until('no more problems', async () =>
        (await agent.status()).apps.every(({ unknown }) => unknown === undefined),
      );
      // The log comes through a pipe, later than the pages.
      await until('a line when it ends', () =>
        agent.log().some(({ level, msg }) => level === 'info' && String(msg).includes('(after ')),
      );
    });
  }

  it('is down', async () => {
    await using world = await startWorld();
    const { agent, before } = await startSettled(world);
    await world.tsuru.stopListening();
    await untilProblem(agent, /ECONNREFUSED/);
    assert.deepEqual(await targetUnits(agent), before);
    await world.tsuru.listenAgain();
    await world.addUnits('my-app', 1);
    await until('the new unit as a target', async () => (await targetUnits(agent)).length === 4);
  });

  it('is slow', async () => {
    await using world = await startWorld();
    const { agent, before } = await startSettled(world);
    world.tsuru.faults.add({ kind: 'latency', ms: 1_500 });
    await world.addUnits('my-app', 1);
    await until('the new unit as a target', async () => (await targetUnits(agent)).length === 4);
    assert.ok(before.length === 3 && (await agent.status()).lastPoll.ok);
  });

  it('lists the units, but not the ports of an app: the last known ports stay', async () => {
    await using world = await startWorld();
    const { agent } = await startSettled(world);
    world.tsuru.faults.add({ kind: 'status', status: 500, path: '/apps/my-app' });
    await world.addUnits('my-app', 1);
    await until('the new unit as a target', async () => (await targetUnits(agent)).length === 4);
    await agent.poll();
    await untilProblem(agent, /failed to fetch the ports of my-app/);
    assert.equal((await targetUnits(agent)).length, 4);
  });

  it('answers garbage for the details of apps: the last known ports stay', async () => {
    await using world = await startWorld();
    const { agent, before } = await startSettled(world);
    for (const body of ['{}', '{"apps":[]}', '[]', 'null', '{"name":"another","internalAddresses":[]}']) {
      const mend = world.tsuru.faults.add({ kind: 'body', path: '/apps/*', body });
      await agent.poll();
      await untilProblem(agent, /failed to fetch the ports of/);
      assert.deepEqual(await targetUnits(agent), before);
      mend();
      await agent.poll();
    }
  });

  it('fails while somebody removes the target file: it is written again all the same', async () => {
    await using world = await startWorld();
    const { agent, before } = await startSettled(world);
    world.tsuru.faults.add({ kind: 'status', status: 503 });
    await untilProblem(agent, /failed to poll Tsuru/);
    await rm(agent.targetsFile);
    await until('the same targets', async () => (await targetUnits(agent).catch(() => [])).join() === before.join());
  });

  it('removes a bind while its list is wrong: the grant decides', async () => {
    await using world = await startWorld();
    const { agent } = await startSettled(world);
    world.tsuru.faults.add({ kind: 'app-missing', app: 'my-app' });
    await untilProblem(agent, /units of my-app are unknown/);
    await world.instance.unbind('my-app');
    await until('the targets of other alone', async () => (await targetUnits(agent)).length === 1);
  });
});

describe('an answer larger than 64 MiB', () => {
  it('is refused, and no target is lost', async () => {
    const chunk = Buffer.alloc(1024 * 1024, ' ');
    const server = createServer((_, response) => {
      const body = Readable.from(Array.from({ length: 70 }, () => chunk));
      // The agent hangs up in the middle, which is what is wanted.
      pipeline(body, response).catch(() => undefined);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(address !== null && typeof address !== 'string');
    await using world = await startWorld();
    const agent = await world.startAgent({ tsuruUrl: `http://127.0.0.1:${address.port}` });
    const status = await untilProblem(agent, /larger than 64 MiB/);
    assert.deepEqual(status.apps, []);
    server.closeAllConnections();
    server.close();
  });
});

describe('the state on disk', { concurrency: 4 }, () => {
  it('that is corrupt is set aside with a warning, and the targets of the last run stay until Tsuru lists the units', async () => {
    for (const damage of ['', '{"format":1}', 'garbage', 'cut']) {
      await using world = await startWorld();
      const { agent, before } = await startSettled(world);
      await agent.stop();
      const path = join(world.folder, 'agent', 'state.json');
      const whole = await readFile(path, 'utf8');
      await writeFile(path, damage === 'cut' ? whole.slice(0, -20) : damage);
      world.tsuru.faults.add({ kind: 'units-unknown', app: 'my-app' });

      const second = await world.startAgent();
      await until('a poll', async () => (await second.status()).lastPoll.ok);
      assert.deepEqual(await targetUnits(second), before);
      assert.match(warnings(second).join('\n'), /the state file is set aside as .*state\.json\.corrupt/);
      world.tsuru.faults.clear();
      await world.addUnits('my-app', 1);
      await until('the new unit as a target', async () => (await targetUnits(second)).length === 4);
    }
  });

  it('that is lost while Tsuru does not tell the ports costs no target of a unit that is still there', async () => {
    await using world = await startWorld();
    const { agent, before } = await startSettled(world);
    await agent.stop();
    await rm(join(world.folder, 'agent', 'state.json'));
    world.tsuru.faults.add({ kind: 'status', status: 500, method: 'GET', path: '/apps/*' });
    const second = await world.startAgent();
    await untilProblem(second, /failed to fetch the ports of my-app, other/);
    assert.deepEqual(await targetUnits(second), before);
    await world.removeUnits('my-app', 1);
    await until('2 targets', async () => (await targetUnits(second)).length === 2);
    world.tsuru.faults.clear();
    await second.poll();
    assert.deepEqual(
      (await second.status()).apps.map(({ targets, units }) => [targets, units.length]),
      [
        [1, 1],
        [1, 1],
      ],
    );
  });

  it('that is lost with the target file is fetched again', async () => {
    await using world = await startWorld();
    const { agent, before } = await startSettled(world);
    await agent.stop();
    await rm(join(world.folder, 'agent'), { recursive: true });
    const second = await world.startAgent();
    await until('the same targets', async () => (await targetUnits(second).catch(() => [])).join() === before.join());
    assert.equal(await second.metric('tsuru_agent_state_restored'), 0);
  });

  it('that is removed under a running agent is written again', async () => {
    await using world = await startWorld();
    const { agent, before } = await startSettled(world);
    await rm(join(world.folder, 'agent'), { recursive: true, maxRetries: 5 });
    await until('the same targets', async () => (await targetUnits(agent).catch(() => [])).join() === before.join());
  });
});

describe('a disk', { concurrency: 2 }, () => {
  /** The agent in a mount namespace of its own, where its folder is a small tmpfs. */
  function onTmpfs(folder: string, options: string): string[] {
    const user = process.getuid?.() === 0 ? [] : ['--map-root-user'];
    const script = `mount -t tmpfs -o ${options} tmpfs "$0" && exec "$@"`;
    return ['unshare', ...user, '--mount', 'sh', '-c', script, folder];
  }

  /** The target file as the agent's namespace sees it. */
  function seenBy(agent: RunningAgent): Promise<string> {
    return readFile(`/proc/${agent.program.pid}/root${agent.targetsFile}`, 'utf8');
  }

  it('that is full keeps the old targets, is reported, and gets the new ones when there is space', async () => {
    await using world = await startWorld({ images: silentImages });
    await world.bindNew('my-app', 2);
    const folder = join(world.folder, 'agent');
    const agent = await world.startAgent({ wrapper: onTmpfs(folder, 'size=1m') });
    const text = await until('2 targets written', async () => {
      const now = await seenBy(agent);
      return now.includes('__meta_tsuru_unit') && now;
    });

    await world.addUnits('my-app', 4_000);
    await untilProblem(agent, /failed to write the target file, keeping the old one: ENOSPC/);
    assert.equal(await seenBy(agent), text);
    assert.ok(((await agent.metric('tsuru_agent_target_writes_failed_total')) ?? 0) >= 1);
    assert.equal((await agent.status()).lastWrite.ok, false);

    await world.removeUnits('my-app', 3_999);
    await until('3 targets written', async () => (await seenBy(agent)).split('__meta_tsuru_unit').length === 4);
    assert.deepEqual(
      (await agent.status()).problems.filter((problem) => problem.includes('written')),
      [],
    );
  });

  it('that is read-only is reported, and never ends the agent', async () => {
    await using world = await startWorld({ images: silentImages });
    await world.bindNew('my-app', 2);
    const agent = await world.startAgent({ wrapper: onTmpfs(join(world.folder, 'agent'), 'ro,size=64k') });
    const status = await untilProblem(agent, /failed to write the target file, keeping the old one: EROFS/);
    assert.match(status.problems.join('\n'), /the state cannot be saved.*EROFS/);
    assert.match(status.problems.join('\n'), /the configuration cannot be written: EROFS/);
    assert.equal(warnings(agent).filter((line) => line.includes('EROFS')).length, 3, 'one line a trouble');
  });
});
