# Two machines: one attacks the other's SSH and is banned, with iptables and with nftables; the ban
# survives a reboot, logs rotate. Run by `nix flake check` where there is KVM.
{
  pkgs,
  module ? ./module.nix,
}:
pkgs.testers.runNixOSTest {
  name = "rban-ssh";

  nodes =
    let
      server =
        { nftables }:
        {
          imports = [ module ];
          networking.nftables.enable = nftables;
          services.openssh.enable = true;
          services.logrotate.enable = true;
          services.rban = {
            enable = true;
            bantime = "1h";
            maxretry = 3;
            daemonSettings.Definition.logtarget = "/var/log/fail2ban/fail2ban.log";
          };
          users.users.root.hashedPassword = "!";
        };
    in
    {
      old = server { nftables = false; };
      new = server { nftables = true; };
      attacker = { environment.systemPackages = [ pkgs.sshpass ]; };
    };

  testScript = ''
    start_all()
    attacker.wait_for_unit("multi-user.target")
    address = attacker.succeed("hostname -I").split()[0]
    for machine, rules in ((old, "iptables-save"), (new, "nft list ruleset")):
        machine.wait_for_unit("rban.service")
        machine.wait_for_unit("sshd.service")
        machine.succeed("rban status sshd")
        knock = f"timeout 5 bash -c '</dev/tcp/{machine.name}/22'"
        attacker.succeed(knock)
        for _ in range(4):
            attacker.execute(
                "timeout 10 sshpass -p wrong ssh -o StrictHostKeyChecking=no"
                f" -o PubkeyAuthentication=no -o NumberOfPasswordPrompts=1 root@{machine.name} true"
            )
        machine.wait_until_succeeds(f"rban status sshd | grep -w {address}")
        machine.succeed(f"{rules} | grep -w {address}")
        attacker.fail(knock)
        machine.succeed("logrotate -f /etc/logrotate.conf || systemctl start logrotate.service")
        machine.succeed("rban client set sshd banip 192.0.2.200")
        machine.wait_until_succeeds("grep -q 'Ban 192.0.2.200' /var/log/fail2ban/fail2ban.log")
        machine.shutdown()
        machine.start()
        machine.wait_for_unit("rban.service")
        machine.wait_until_succeeds(f"{rules} | grep -w {address}")
        attacker.fail(knock)
        machine.succeed(f"rban unban {address}")
        attacker.wait_until_succeeds(knock)
  '';
}
