import { readPermissions, type Permission } from '../../../agent/shared/permissions.ts';
import { parseJson } from '../../../agent/shared/shape.ts';
import { listNames } from '../../../agent/shared/text.ts';
import { OPTIONAL_CALLS, PERMISSIONS } from '../../tsuru/permissions.ts';
import { good, problem, type CheckOptions, type Finding } from './finding.ts';

export async function checkPermissions(
  { context: { tsuru } }: CheckOptions,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const answer = await tsuru.get('own_permissions', '/1.0/users/info', signal);
  const held = readPermissions(parseJson(answer.chunks));
  const lacking = Map.groupBy(
    Object.entries(PERMISSIONS)
      .filter(([call]) => !OPTIONAL_CALLS.includes(call))
      .flatMap(([call, needed]) => needed.map((permission) => ({ call, permission })))
      .filter(({ permission }) => !isHeld(held, permission)),
    ({ permission }) => permission,
  );
  if (lacking.size === 0) {
    return [good(`Tsuru answers, and the token of the broker has every permission that its calls need.`)];
  }
  return [...lacking].map(([permission, calls]) => {
    const narrow = held.find(({ name, contextType }) => covers(name, permission) && contextType !== 'global');
    const needs = `needed for ${listNames(
      calls.map(({ call }) => call),
      calls.length,
    )}`;
    return narrow === undefined
      ? problem(
          `The token of the broker lacks ${permission} (${needs}): run "tsuru role-permission-add prometheus-broker ${permission}".`,
        )
      : problem(
          `The token of the broker has ${permission} only for the ${narrow.contextType} ${narrow.contextValue} (${needs}): grant it by a role whose context is global.`,
        );
  });
}

function isHeld(held: readonly Permission[], wanted: string): boolean {
  return held.some(({ name, contextType }) => contextType === 'global' && covers(name, wanted));
}

/** `app.read` covers `app.read.env`, and '' everything. */
function covers(name: string, wanted: string): boolean {
  return name === '' || wanted === name || wanted.startsWith(`${name}.`);
}
