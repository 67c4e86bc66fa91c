import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { basicHeader, createCheck } from '../../../agent/shared/basic-auth.ts';

const CREDENTIALS = { username: 'prometheus', password: 'pass:wörd, with blanks' };

describe('the check of basic authentication', () => {
  const check = createCheck(CREDENTIALS);
  const right = basicHeader(CREDENTIALS);

  for (const [what, header, verdict] of [
    ['the header that both programs send', right, 'right'],
    ['the scheme in another case', right.replace('Basic', 'bAsIC'), 'right'],
    ['blanks around the credentials', `${right.replace(' ', '   ')}  `, 'right'],
    ['no header', undefined, 'none'],
    ['an empty header', '', 'wrong'],
    ['the scheme alone', 'Basic', 'wrong'],
    ['another scheme', right.replace('Basic', 'Bearer'), 'wrong'],
    ['what is not base64', 'Basic !!!', 'wrong'],
    ['two headers in one', `${right}, ${right}`, 'wrong'],
    ['another user', basicHeader({ ...CREDENTIALS, username: 'Prometheus' }), 'wrong'],
    ['a part of the password', basicHeader({ ...CREDENTIALS, password: 'pass' }), 'wrong'],
    ['no password', basicHeader({ ...CREDENTIALS, password: '' }), 'wrong'],
  ] as const) {
    it(`answers "${verdict}" to ${what}`, () => {
      assert.equal(check(header), verdict);
    });
  }

  for (const [username, password] of [
    ['', 'x'],
    ['x', ''],
    ['a:b', 'x'],
  ] as const) {
    it(`cannot be made for ${JSON.stringify({ username, password })}`, () => {
      assert.throws(() => createCheck({ username, password }), /user/);
    });
  }
});
