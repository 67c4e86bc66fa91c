import { randomBytes } from 'node:crypto';
import { demand } from '../callers.ts';
import { badRequest, notFound } from '../errors.ts';
import { BLOCK_TARGET, type EventBlock } from '../event-blocks.ts';
import { ZERO_TIME } from '../go.ts';
import { list, OK, type Answer, type Call, type Route } from '../http.ts';
import { child, text } from '../input.ts';
import type { World } from '../world.ts';

export function eventBlockRoutes(world: World): Route[] {
  const { state } = world;
  return [
    {
      method: 'GET',
      path: '/events/blocks',
      answer: ({ caller, query }) => {
        demand(caller, 'event-block.read');
        const active = query.get('active');
        const wanted = state.blocks.filter(({ endTime }) => [null, String(endTime === undefined)].includes(active));
        return list(wanted.toReversed().map(blockJson));
      },
    },
    { method: 'POST', path: '/events/blocks', answer: (call) => addBlock(world, call) },
    { method: 'DELETE', path: '/events/blocks/:id', answer: (call) => removeBlock(world, call) },
  ];
}

function addBlock({ state, events }: World, { caller, body: { tree } }: Call): Promise<Answer> {
  demand(caller, 'event-block.add');
  const target = child(tree, 'Target');
  const block: EventBlock = {
    id: randomBytes(12).toString('hex'),
    startTime: new Date(),
    endTime: undefined,
    kindName: text(tree, 'KindName'),
    ownerName: text(tree, 'OwnerName'),
    target: { type: text(target, 'Type'), value: text(target, 'Value') },
    reason: text(tree, 'Reason'),
  };
  if (block.reason === '') throw badRequest('reason is required');
  const change = { kind: 'event-block.add', target: { type: BLOCK_TARGET, value: '' }, owner: caller.owner };
  return events.run(change, () => {
    state.blocks.push(block);
    return Promise.resolve(OK);
  });
}

function removeBlock({ state, events }: World, { caller, params }: Call): Promise<Answer> {
  demand(caller, 'event-block.remove');
  const id = params['id'] ?? '';
  if (!/^[0-9a-f]{24}$/i.test(id)) throw badRequest(`uuid parameter is not ObjectId: ${id}`);
  const change = { kind: 'event-block.remove', target: { type: BLOCK_TARGET, value: id }, owner: caller.owner };
  return events.run(change, () => {
    const block = state.blocks.find((candidate) => candidate.id === id && candidate.endTime === undefined);
    if (block === undefined) throw notFound(`active event block with id ${id} not found`);
    block.endTime = new Date();
    return Promise.resolve(OK);
  });
}

function blockJson({ id, startTime, endTime, kindName, ownerName, target, reason }: EventBlock) {
  return {
    ID: id,
    StartTime: startTime.toISOString(),
    EndTime: endTime?.toISOString() ?? ZERO_TIME,
    KindName: kindName,
    OwnerName: ownerName,
    Target: { Type: target.type, Value: target.value },
    Reason: reason,
    Active: endTime === undefined,
  };
}
