import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createCheck } from '../../../agent/shared/basic-auth.ts';
import { until } from '../../support/until.ts';
import { basic, guard, OBEDIENT, RIGHT, startUpstream } from './guarded.ts';

describe('the password of the gateway', { concurrency: 4 }, () => {
  for (const [username, password] of [
    ['', 'x'],
    ['x', ''],
    ['', ''],
    ['a:b', 'x'],
  ] as const) {
    it(`must be complete: ${JSON.stringify([username, password])} is refused`, () => {
      assert.throws(() => createCheck({ username, password }), /user/);
    });
  }

  it('is asked for at once, with the realm, before anything is forwarded', async () => {
    await using upstream = await startUpstream(OBEDIENT);
    await using guarded = await guard(upstream.url, { limits: { wrongPasswordMs: 60_000 } });
    for (const path of ['/', '/api/v1/query', '/metrics', '/tsuru/status', '/-/quit', '/unknown']) {
      const { status, headers, body } = await guarded.get(path, { authorization: null });
      assert.equal(status, 401, path);
      assert.equal(headers['www-authenticate'], 'Basic realm="Prometheus", charset="UTF-8"');
      assert.equal(body, 'Log in with the user and the password of this instance.\n');
    }
    assert.equal(upstream.seen.length, 0);
    assert.equal(await guarded.metric('refused_total{reason="no_credentials"}'), 6);
  });

  it('must match completely, with the scheme Basic in upper or lower case', async () => {
    await using upstream = await startUpstream(OBEDIENT);
    await using guarded = await guard(upstream.url, { limits: { wrongPasswordMs: 1 } });
    assert.equal((await guarded.get('/query', { authorization: RIGHT.replace('Basic', 'bAsIc') })).status, 200);
    for (const authorization of [
      basic('shop', 'a long'),
      basic('shop', ''),
      basic('', 'a long: password, ünïcode'),
      basic('shop:', 'a long: password, ünïcode'),
      basic('SHOP', 'a long: password, ünïcode'),
      RIGHT.replace('Basic', 'Bearer'),
      'Basic',
      'Basic !!!',
      '',
      `${RIGHT}, ${RIGHT}`,
    ]) {
      assert.equal((await guarded.get('/query', { authorization })).status, 401, authorization);
    }
    assert.equal(upstream.seen.length, 1);
  });

  it('is answered late and counted when wrong, and never slows the right one', async () => {
    await using upstream = await startUpstream(OBEDIENT);
    await using guarded = await guard(upstream.url, { limits: { wrongPasswordMs: 3_000 } });
    const GUESSES = 200;
    const guess = async (): Promise<{ status: number; tookMs: number }> => {
      const startedMs = performance.now();
      const { status } = await guarded.get('/query', { authorization: basic('shop', 'guess') });
      return { status, tookMs: performance.now() - startedMs };
    };
    const attack = Array.from({ length: GUESSES }, guess);
    for (let n = 0; n < 20; n++) assert.equal((await guarded.get('/query')).status, 200);
    assert.equal(await guarded.metric('refused_total{reason="wrong_credentials"}'), 0, 'the right ones came first');
    for (const { status, tookMs } of await Promise.all(attack)) {
      assert.equal(status, 401);
      assert.ok(tookMs >= 2_990, `answered after ${tookMs} ms`);
    }
    assert.equal(upstream.seen.length, 20);
    assert.equal(await guarded.metric('refused_total{reason="wrong_credentials"}'), GUESSES);
  });

  it('is forgotten when wrong as soon as its client leaves, and answered at once when the gateway closes', async () => {
    await using upstream = await startUpstream(OBEDIENT);
    const guarded = await guard(upstream.url, { limits: { wrongPasswordMs: 60_000 } });
    const guess = `GET /query HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic('shop', 'guess')}\r\n\r\n`;
    const [leaves, stays] = [await guarded.send(guess), await guarded.send(guess)];
    await guarded.get('/-/healthy');
    assert.equal(await guarded.metric('refused_total{reason="wrong_credentials"}'), 0);
    leaves.socket.destroy();
    await until(
      'it to be counted',
      async () => (await guarded.metric('refused_total{reason="wrong_credentials"}')) === 1,
    );
    await guarded.close();
    assert.match(await stays.answer, /^HTTP\/1.1 401 /);
  });

  it('is not needed for the health pages, which say what is missing', async () => {
    const now = { targetsKnown: false, prometheusReady: false };
    await using guarded = await guard('http://127.0.0.1:1', { readiness: () => Promise.resolve({ ...now }) });
    const ready = async (): Promise<unknown[]> => {
      const { status, body } = await guarded.get('/-/ready', { authorization: null });
      return [status, body];
    };
    assert.deepEqual((await guarded.get('/-/healthy', { authorization: null })).body, 'Healthy.\n');
    assert.deepEqual(await ready(), [503, 'Not ready: the targets are not known yet, and Prometheus is not ready.\n']);
    now.targetsKnown = true;
    assert.deepEqual(await ready(), [503, 'Not ready: Prometheus is not ready.\n']);
    now.prometheusReady = true;
    assert.deepEqual(await ready(), [200, 'Ready.\n']);
    assert.equal((await guarded.get('/-/ready', { authorization: null, method: 'HEAD' })).status, 200);
    assert.equal((await guarded.get('/-/ready', { authorization: null, method: 'POST' })).status, 401);
  });

  it("shows the agent's own metrics, status and poll, without a secret, and no other page of it", async () => {
    await using upstream = await startUpstream(OBEDIENT);
    const page = (body: string) => () => Promise.resolve({ status: 200, type: 'text/plain', body });
    await using guarded = await guard(upstream.url, {
      secrets: ['s3cret'],
      pages: {
        'GET /metrics': page('a_metric 1\n'),
        'GET /tsuru/status': page('Tsuru said: s3cret\n'),
        'POST /tsuru/poll': ({ body }) => page(`polled: ${body}`)(),
        'GET /healthz': page('alive'),
      },
    });
    assert.equal((await guarded.get('/metrics')).body, 'a_metric 1\n');
    assert.equal((await guarded.get('/tsuru/status')).body, 'Tsuru said: <secret>\n');
    assert.equal((await guarded.get('/tsuru/poll', { method: 'POST', body: 'a' })).body, 'polled: a');
    assert.equal((await guarded.get('/tsuru/poll', { method: 'POST' })).body, 'polled: ');
    const read = await guarded.get('/tsuru/poll');
    assert.deepEqual([read.status, read.headers['allow']], [405, 'POST']);
    assert.equal((await guarded.get('/tsuru/poll', { method: 'POST', authorization: null })).status, 401);
    const large = await guarded.get('/tsuru/poll', { method: 'POST', body: 'x'.repeat(2 * 1024 * 1024) });
    assert.equal(large.status, 413);
    assert.equal((await guarded.get('/healthz')).status, 404);
    assert.equal(upstream.seen.length, 0);
  });
});
