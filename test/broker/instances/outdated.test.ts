import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fingerprintOf } from '../../../agent/shared/fingerprint.ts';
import type { AgentAnswer } from '../../../broker/instances/agent-status.ts';
import { outdatedOf } from '../../../broker/instances/outdated.ts';
import type { Token } from '../../../broker/tsuru/token.ts';

const TOKEN: Token = { id: 'x', value: 'the-token', team: 'shop', description: '', roles: [] };
const told = (fingerprint = ''): AgentAnswer => ({
  kind: 'answered',
  status: {
    ready: true,
    token: fingerprint,
    problems: [],
    sync: {},
    versions: { agent: '', prometheus: '' },
    storage: { used: undefined, size: undefined },
    apps: [],
  },
});

describe('a running unit', () => {
  for (const [what, agent, token, outdated] of [
    ['has the token that Tsuru has', told(fingerprintOf('the-token')), TOKEN, undefined],
    ['has another token', told(fingerprintOf('an-old-token')), TOKEN, 'token'],
    ['does not tell its token', told(), TOKEN, undefined],
    ['is compared with a token that Tsuru does not show', told('00000000'), { ...TOKEN, value: '' }, undefined],
    ['is compared with no token', told('00000000'), undefined, undefined],
    ['rejects its password', { kind: 'refused', isOfGateway: true }, TOKEN, 'password'],
    ['is behind something that rejects its password', { kind: 'refused' }, TOKEN, undefined],
    ['is silent', { kind: 'silent', reason: 'x' }, TOKEN, undefined],
    ['was not asked', undefined, TOKEN, undefined],
  ] as const) {
    it(`is outdated in ${outdated ?? 'nothing'} when it ${what}`, () => {
      assert.equal(outdatedOf(agent, token), outdated);
    });
  }

  it('shows a fingerprint that reveals nothing of the token', () => {
    assert.match(fingerprintOf('the-token'), /^[0-9a-f]{8}$/);
    assert.notEqual(fingerprintOf('the-token'), fingerprintOf('the-token2'));
  });
});
