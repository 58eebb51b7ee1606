import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openRedis, type ScriptClient } from '../../src/cache/redis-client.js';
import { RedisKeys } from '../../src/cache/partition.js';
import { redisUrl } from '../../src/config/redis-url.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { services } from '../support/services.js';

const OURS = '11111111-1111-4111-8111-111111111111';
const THEIRS = '22222222-2222-4222-8222-222222222222';
const OWNER = 'carelink_tokens:owner';

/** Only a bound against hanging. */
const PATIENCE = { timeout: 30_000, interval: 20 };

describe.skipIf(services().redis === undefined)(
  'a Redis is worked with only where it is the one that was asked for',
  () => {
    let redis: RedisServer;
    beforeAll(async () => {
      redis = await startRedis();
    });
    afterAll(() => redis.stop());

    function open(
      url: string,
      { owner = OURS, prefix = 'carelink_tokens' } = {},
    ): ScriptClient & { fits: () => number } {
      let fits = 0;
      const client = openRedis({
        address: redisUrl.parse(url)!,
        keys: new RedisKeys(prefix),
        owner,
        random: Math.random,
        onError: () => undefined,
        onConnect: () => fits++,
      });
      onTestFinished(() => client.close());
      return { ...client, fits: () => fits };
    }
    const here = (path = '', login = '') => `redis://${login}127.0.0.1:${redis.port}${path}`;
    const message = async (client: ScriptClient) => {
      await expect.poll(() => client.fault()?.message, PATIENCE).toBeDefined();
      return client.fault()!.message;
    };
    const isFit = (client: ScriptClient) => expect.poll(() => client.fit(), PATIENCE).toBe(true);
    const nothingIsSent = async (client: ScriptClient) => {
      await redis.cli('CONFIG', 'RESETSTAT');
      await expect(client.setFor('any', '', 1_000)).rejects.toThrow();
      await expect(client.get('any')).rejects.toThrow();
      expect(await redis.cli('INFO', 'commandstats')).not.toMatch(/cmdstat_(?:set|get):/);
    };

    it('a database that does not exist: nothing is written, not even into database 0', async () => {
      await redis.cli('FLUSHALL');
      const client = open(here('/16'));
      expect(await message(client)).toMatch(
        /^Redis refuses SELECT 16: ERR DB index is out of range.*databases/,
      );
      await nothingIsSent(client);
      expect(await redis.cli('DBSIZE')).toBe('0');
      const fit = open(here('/15'));
      await isFit(fit);
      await fit.setFor('in', '15', 60_000);
      expect(await redis.cli('-n', '15', 'GET', 'in')).toBe('15');
      expect(await redis.cli('DBSIZE')).toBe('0');
    });

    it.each([
      ['a wrong password', 'default:wrong@', 'AUTH'],
      ['a password that is not wanted', ':any@', 'AUTH'],
      ['a user who is not there', 'nobody:any@', 'AUTH'],
      ['no right to a command of the scripts', 'partly:secret@', 'what its scripts need'],
      ['no right to the keys', 'elsewhere:secret@', 'what its scripts need'],
      ['no right to CLIENT', 'nameless:secret@', 'CLIENT SETNAME'],
      ['no right to INFO', 'blind:secret@', 'INFO'],
    ])('%s is told by name', async (what, login, step) => {
      const all = ['+@read', '+@write', '+@scripting', '+@connection', '+info', '+time'];
      const user = (name: string, ...rules: string[]) =>
        redis.cli('ACL', 'SETUSER', name, 'on', '>secret', '~carelink_tokens:*', ...all, ...rules);
      await user('partly', '-xautoclaim');
      await user('elsewhere', 'resetkeys', '~other:*');
      await user('nameless', '-client');
      await user('blind', '-info');
      if (what.startsWith('a wrong')) {
        await redis.cli('ACL', 'SETUSER', 'default', '>right');
        onTestFinished(async () => {
          await redis.cli('-a', 'right', '--no-auth-warning', 'ACL', 'SETUSER', 'default', 'nopass');
        });
      }
      const client = open(here('', login));
      expect(await message(client)).toMatch(new RegExp(`^Redis refuses ${step}: `));
      await expect(client.setFor('any', '', 1_000)).rejects.toThrow();
      expect(await message(client)).not.toMatch(/secret|>right/);
    });

    it('the rights that the message names are enough', async () => {
      await redis.cli(
      'ACL', 'SETUSER', 'enough', 'on', '>secret', '~carelink_tokens:*', '+@read', '+@write', '+@scripting', '+@connection', '+info', '+time',
    ); // prettier-ignore
      await isFit(open(here('', 'enough:secret@')));
    });

    it.each([
      ['evalsha', (client: ScriptClient) => client.begin('carelink_tokens:{0}:lock:a', 'carelink_tokens:{0}:token:a', 'carelink_tokens:{0}:doubt:a', 'me', 1_000)],
      ['xreadgroup', (client: ScriptClient) => client.takeOver('carelink_tokens:{0}:outbox', 'me', 1_000, 1)],
      ['get', (client: ScriptClient) => client.get('carelink_tokens:any')],
    ])('a right that is taken away on the way is named, and found again when it is back: %s', async (right, send) => {
      const acl = (...rules: string[]) => redis.cli('ACL', 'SETUSER', 'losing', ...rules);
      await acl('on', '>secret', '~carelink_tokens:*', '+@read', '+@write', '+@scripting', '+@connection', '+info', '+time');
      const client = open(here('', 'losing:secret@'));
      await isFit(client);
      await redis.cli('XADD', 'carelink_tokens:{0}:outbox', '*', 'claim', '');
      await send(client);
      await acl(`-${right}`);
      await expect(send(client)).rejects.toThrow();
      expect(await message(client)).toContain(`ACL SETUSER losing +${right}\``);
      await nothingIsSent(client);
      await acl(`+${right}`);
      await client.look();
      await send(client);
    }); // prettier-ignore

    it('one that cannot at the moment is down, and no fault of the set-up', async () => {
      await redis.cli('CONFIG', 'SET', 'min-replicas-to-write', '1');
      onTestFinished(async () => {
        await redis.cli('CONFIG', 'SET', 'min-replicas-to-write', '0');
      });
      const client = open(here('/1'));
      await sleep(300);
      expect([client.fit(), client.fault()]).toEqual([false, undefined]);
      await redis.cli('CONFIG', 'SET', 'min-replicas-to-write', '0');
      await client.look();
      expect(client.fit()).toBe(true);
    });

    it('the owner is named once, found again, and another one is let nowhere near its keys', async () => {
      await redis.cli('FLUSHALL');
      const ours = open(here());
      await isFit(ours);
      expect(await redis.cli('GET', OWNER)).toBe(OURS);
      expect(await redis.cli('TTL', OWNER)).toBe('-1');
      await isFit(open(here()));
      const theirs = open(here(), { owner: THEIRS });
      const told = await message(theirs);
      for (const part of [OURS, THEIRS, OWNER, '--redis-prefix', 'another database number'])
        expect(told).toContain(part);
      await nothingIsSent(theirs);
      expect(await redis.cli('GET', OWNER)).toBe(OURS);
      // Beside it there is room.
      await isFit(open(here('/2'), { owner: THEIRS }));
      await isFit(open(here(), { owner: THEIRS, prefix: 'staging' }));
      expect(await redis.cli('GET', 'staging:owner')).toBe(THEIRS);
    });

    it('an owner that was flushed is named again; another one that came meanwhile makes it unfit until it is gone', async () => {
      await redis.cli('FLUSHALL');
      const ours = open(here());
      await isFit(ours);
      await redis.cli('FLUSHALL');
      await ours.look();
      expect(await redis.cli('GET', OWNER)).toBe(OURS);
      const before = ours.fits();
      await redis.cli('SET', OWNER, THEIRS);
      await ours.look();
      expect(ours.fault()?.code).toBe('REDIS_OWNED');
      await nothingIsSent(ours);
      await redis.cli('DEL', OWNER);
      await ours.look();
      expect([ours.fit(), ours.fault()]).toEqual([true, undefined]);
      // What it says is from another time now.
      expect(ours.fits()).toBe(before + 1);
    });

    it('is looked at anew after each reconnect, before anything is sent', async () => {
      await redis.cli('FLUSHALL');
      const client = open(here('/3'));
      await isFit(client);
      // Another's from now on, as where another server has taken the address.
      await redis.cli('-n', '3', 'SET', OWNER, THEIRS);
      await redis.cli('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      const tries: Promise<unknown>[] = [];
      const trying = setInterval(
        () => tries.push(client.setFor('any', 'ours', 60_000).catch(() => undefined)),
        1,
      );
      expect(await message(client)).toContain(THEIRS);
      clearInterval(trying);
      await Promise.all(tries);
      expect(await redis.cli('-n', '3', 'EXISTS', 'any')).toBe('0');
    });
  },
);
