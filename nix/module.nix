# services.rban: every option of services.fail2ban under its name and type, so that one attribute is
# to be renamed; and checkConfig, settings, mail and metrics.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.rban;

  ini = pkgs.formats.ini { mkKeyValue = lib.generators.mkKeyValueDefault { } " = "; };
  keyValue = pkgs.formats.keyValue { };
  nftables = config.networking.nftables.enable;

  optionalText =
    example: description:
    mkOption {
      type = types.nullOr types.str;
      default = null;
      inherit example description;
    };

  # --- the files --------------------------------------------------------------------------------
  ownFilter = name: "nixos-${name}";
  ofText = lib.filterAttrs (_: lib.isString) cfg.jails;
  ofOptions = lib.filterAttrs (_: lib.isAttrs) cfg.jails;
  withFilter = lib.filterAttrs (_: jail: lib.isAttrs (jail.filter or null)) ofOptions;

  section =
    name: jail:
    lib.optionalAttrs (name != "DEFAULT") { inherit (jail) enabled; }
    // lib.optionalAttrs (jail.filter != null) {
      filter = if lib.isString jail.filter then jail.filter else ownFilter name;
    }
    // jail.settings;

  jailLocal = pkgs.writeText "jail.local" (
    lib.generators.toINI { mkKeyValue = lib.generators.mkKeyValueDefault { } " = "; } (
      lib.mapAttrs section ofOptions
    )
    + lib.concatStrings (
      lib.mapAttrsToList (name: text: lib.optionalString (text != "") "\n[${name}]\n${text}\n") ofText
    )
  );

  files = {
    "fail2ban.local" = ini.generate "fail2ban.local" cfg.daemonSettings;
    "jail.local" = jailLocal;
  }
  // lib.mapAttrs' (name: jail: {
    name = "filter.d/${ownFilter name}.local";
    value = ini.generate "${ownFilter name}.local" jail.filter;
  }) withFilter
  // lib.mapAttrs' (name: text: {
    name = "filter.d/${name}.local";
    value = ini.generate "${name}.local" text;
  }) cfg.filters
  // lib.mapAttrs' (name: text: {
    name = "action.d/${name}.local";
    value = ini.generate "${name}.local" text;
  }) cfg.actions;

  # How mails are sent, by any jail's actions.
  mail =
    lib.filterAttrs (_: value: value != null) {
      sendername = cfg.mail.fromName;
      maxmails = cfg.mail.perHour;
      inherit (cfg.mail) digest retry;
      giveup = cfg.mail.giveUp;
      html = if cfg.mail.html then "on" else null;
    }
    // (
      if cfg.mail.host == null then
        # Where NixOS has it, setuid or not.
        { mailcmd = ''/run/wrappers/bin/sendmail -f "<sender>" "<dest>"''; }
      else
        lib.filterAttrs (_: value: value != null) {
          smtp = "${
            if lib.hasInfix ":" cfg.mail.host then "[${cfg.mail.host}]" else cfg.mail.host
          }:${toString cfg.mail.port}";
          inherit (cfg.mail) tls user;
          cafile = cfg.mail.caFile;
          credential = if cfg.mail.passwordFile == null then null else "mail";
        }
    );
  environment = lib.mapAttrs' (name: value: {
    name = "RBAN_${name}";
    value = if lib.isBool value then lib.boolToString value else toString value;
  }) cfg.settings;

  folder = pkgs.linkFarm "rban-configuration" (
    lib.mapAttrsToList (name: path: { inherit name path; }) files
  );
  vendor = "${cfg.package}/share/rban";

  # The same folder, judged while the system is built: a mistake never reaches a machine.
  checked = pkgs.runCommand "rban-configuration-checked" { } ''
    ${lib.concatStrings (
      lib.mapAttrsToList (name: value: "export ${name}=${lib.escapeShellArg value}\n") environment
    )}${lib.getExe cfg.package} client -c ${folder} --vendor ${vendor} -t
    ln -s ${folder} $out
  '';
  configuration = if cfg.checkConfig then checked else folder;
in
{
  options.services.rban = {
    enable = mkOption {
      type = types.bool;
      default = false;
      description = "Whether to ban hosts that misbehave in logs, SSH's first of all.";
    };

    package = mkOption {
      type = types.package;
      default = pkgs.rban or (pkgs.callPackage ./package.nix { });
      defaultText = lib.literalExpression "pkgs.rban";
      description = "The package of rban.";
    };

    packageFirewall = mkOption {
      type = types.package;
      default = config.networking.firewall.package;
      defaultText = lib.literalExpression "config.networking.firewall.package";
      description = "The firewall's package, for actions that call it.";
    };

    extraPackages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      example = lib.literalExpression "[ pkgs.ipset ]";
      description = "Further packages for actions to find their programs in.";
    };

    bantime = mkOption {
      type = types.str;
      default = "10m";
      example = "1h";
      description = "How long a ban lasts.";
    };

    maxretry = mkOption {
      type = types.ints.unsigned;
      default = 3;
      description = "How many failures make a ban.";
    };

    banaction = mkOption {
      type = types.str;
      default = if nftables then "nftables-multiport" else "iptables-multiport";
      defaultText = lib.literalExpression ''if config.networking.nftables.enable then "nftables-multiport" else "iptables-multiport"'';
      description = "The action that closes a jail's ports to a banned host.";
    };

    banaction-allports = mkOption {
      type = types.str;
      default = if nftables then "nftables-allports" else "iptables-allports";
      defaultText = lib.literalExpression ''if config.networking.nftables.enable then "nftables-allports" else "iptables-allports"'';
      description = "The action that closes every port.";
    };

    bantime-increment = {
      enable = mkOption {
        type = types.bool;
        default = false;
        description = "Whether the bans of those who come back get longer.";
      };
      rndtime = optionalText "8m" "What is added to a ban by chance, at most.";
      maxtime = optionalText "48h" "How long bans get at most.";
      factor = optionalText "4" "What the growth is multiplied with.";
      formula = optionalText "ban.Time * (ban.Count + 1)" "How the next ban is reckoned.";
      multipliers = optionalText "1 2 4 8 16 32 64" "Factors for one ban after the other, in place of the formula.";
      overalljails = mkOption {
        type = types.nullOr types.bool;
        default = null;
        example = true;
        description = "Whether bans of other jails count too.";
      };
    };

    ignoreIP = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [
        "192.0.2.0/24"
        "2001:db8::42"
      ];
      description = "Addresses, networks and names that are never banned.";
    };

    daemonSettings = mkOption {
      inherit (ini) type;
      defaultText = lib.literalExpression ''
        {
          Definition = {
            logtarget = "SYSLOG";
            socket = "/run/fail2ban/fail2ban.sock";
            pidfile = "/run/fail2ban/fail2ban.pid";
            dbfile = "/var/lib/fail2ban/fail2ban.sqlite3";
          };
        }
      '';
      description = "What `fail2ban.local` says.";
    };

    jails = mkOption {
      default = { };
      example = lib.literalExpression ''
        {
          sshd.settings.maxretry = 5;
          recidive.settings.bantime = "1w";
        }
      '';
      description = "The jails: a section's text, or its options. `DEFAULT` is for all of them.";
      type = types.attrsOf (
        types.either types.lines (
          types.submodule (
            { name, ... }:
            {
              options = {
                enabled = mkOption {
                  type = types.bool;
                  default = true;
                  readOnly = name == "DEFAULT";
                  description = "Whether the jail runs.";
                };
                filter = mkOption {
                  type = types.nullOr (types.either types.str ini.type);
                  default = null;
                  description = "The filter's name and options, or what its file says.";
                };
                settings = mkOption {
                  inherit (keyValue) type;
                  default = { };
                  description = "Further options of the jail.";
                };
              };
            }
          )
        )
      );
    };

    filters = mkOption {
      type = types.attrsOf ini.type;
      default = { };
      example = lib.literalExpression ''{ example.Definition.failregex = "no from <HOST>$"; }'';
      description = "Filters, beside those of rban and over them.";
    };

    actions = mkOption {
      type = types.attrsOf ini.type;
      default = { };
      example = lib.literalExpression ''{ example.Definition.actionban = "echo <ip>"; }'';
      description = "Actions, beside those of rban and over them.";
    };

    checkConfig = mkOption {
      type = types.bool;
      default = true;
      description = "Whether the configuration is judged while the system is built.";
    };

    settings = mkOption {
      type = types.attrsOf (
        types.oneOf [
          types.bool
          types.int
          types.str
        ]
      );
      default = { };
      example = {
        LOGLEVEL = "DEBUG";
        JAIL__SSHD__MAXRETRY = 2;
      };
      description = "Options by the environment, over all files; `RBAN_` is put in front of the names.";
    };

    mail = {
      enable = mkOption {
        type = types.bool;
        default = false;
        description = "Whether each ban is reported by mail.";
      };
      to = mkOption {
        type = types.either types.str (types.listOf types.str);
        default = "root@localhost";
        description = "Whom reports go to.";
      };
      from = optionalText "rban@example.com" "Whom they come from.";
      fromName = optionalText "rban" "The name beside it.";
      lines = mkOption {
        type = types.bool;
        default = false;
        description = "Whether the lines about the host are in them.";
      };
      html = mkOption {
        type = types.bool;
        default = false;
        description = "Whether they have an HTML part beside the text.";
      };
      host = optionalText "mail.example.com" "The SMTP server; without one, the system's sendmail takes them.";
      port = mkOption {
        type = types.port;
        default = 587;
        description = "The server's port.";
      };
      tls = mkOption {
        type = types.nullOr (
          types.enum [
            "implicit"
            "starttls"
            "opportunistic"
            "none"
          ]
        );
        default = null;
        description = ''
          From the first byte, or by STARTTLS, or that if it is offered, or not at all. What is usual
          on the port where it is not set: implicit on 465, starttls on 587, else none.
        '';
      };
      caFile = mkOption {
        type = types.nullOr types.path;
        default = null;
        description = "Certificates (PEM) that are trusted in place of the system's.";
      };
      user = optionalText "rban@example.com" "The login at the server, if it wants one.";
      passwordFile = mkOption {
        type = types.nullOr types.path;
        default = null;
        example = "/run/secrets/mail";
        description = ''
          A file outside the store whose first line is the login's password. systemd hands it over as
          a credential: rban itself need not be able to read it.
        '';
      };
      perHour = mkOption {
        type = types.ints.positive;
        default = 30;
        description = "How many mails an hour there are at most, for each jail; what is beyond goes into a digest.";
      };
      digest = optionalText "1h" "Bans of so long a time are one mail.";
      retry = optionalText "1m" "The first wait after a mail that was not taken; it doubles, up to an hour.";
      giveUp = optionalText "2d" "When a mail that is not taken is given up.";
    };

    metrics = {
      enable = mkOption {
        type = types.bool;
        default = false;
        description = "Whether counters are there for Prometheus to read.";
      };
      address = mkOption {
        type = types.str;
        default = "127.0.0.1:9191";
        description = "Where: an address with a port, or a socket's path.";
      };
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = !config.services.fail2ban.enable;
        message = "services.rban takes the place of services.fail2ban: disable one of them.";
      }
      {
        assertion = cfg.bantime-increment.formula == null || cfg.bantime-increment.multipliers == null;
        message = "services.rban.bantime-increment: formula and multipliers exclude each other.";
      }
      {
        assertion = (cfg.mail.user == null) == (cfg.mail.passwordFile == null);
        message = "services.rban.mail: user and passwordFile go together.";
      }
      {
        assertion = cfg.mail.host != null || cfg.mail.user == null;
        message = "services.rban.mail: a login is for a server; give its host.";
      }
      {
        assertion =
          cfg.mail.passwordFile == null
          || !lib.hasPrefix (builtins.storeDir + "/") (toString cfg.mail.passwordFile);
        message = "services.rban.mail.passwordFile is in the store, where everybody can read it.";
      }
    ];
    warnings = lib.optional (
      !config.networking.firewall.enable && !nftables
    ) "services.rban: there is no firewall to ban with";

    environment.systemPackages = [ cfg.package ];
    environment.etc = lib.mapAttrs' (name: _: {
      name = "fail2ban/${name}";
      value.source = "${configuration}/${name}";
    }) files;

    services.rban.daemonSettings = lib.mkMerge [
      {
        Definition = {
          logtarget = lib.mkDefault "SYSLOG";
          socket = lib.mkDefault "/run/fail2ban/fail2ban.sock";
          pidfile = lib.mkDefault "/run/fail2ban/fail2ban.pid";
          dbfile = lib.mkDefault "/var/lib/fail2ban/fail2ban.sqlite3";
        };
      }
      (lib.mkIf cfg.metrics.enable { Definition.metrics = cfg.metrics.address; })
    ];

    services.rban.jails = {
      DEFAULT.settings = lib.mkMerge [
        {
          backend = lib.mkDefault "systemd";
          bantime = lib.mkDefault cfg.bantime;
          maxretry = lib.mkDefault cfg.maxretry;
          ignoreip = lib.mkDefault "127.0.0.1/8 ::1 ${lib.concatStringsSep " " cfg.ignoreIP}";
          banaction = lib.mkDefault cfg.banaction;
          banaction_allports = lib.mkDefault cfg.banaction-allports;
        }
        (lib.mkIf cfg.bantime-increment.enable (
          {
            "bantime.increment" = true;
          }
          // lib.filterAttrs (_: value: value != null) (
            lib.mapAttrs' (name: value: {
              name = "bantime.${name}";
              inherit value;
            }) (removeAttrs cfg.bantime-increment [ "enable" ])
          )
        ))
        (lib.mkIf cfg.mail.enable (
          {
            destemail = lib.concatStringsSep ", " (lib.toList cfg.mail.to);
            action = if cfg.mail.lines then "%(action_mwl)s" else "%(action_mw)s";
          }
          // lib.optionalAttrs (cfg.mail.from != null) { sender = cfg.mail.from; }
        ))
      ];
      sshd = lib.mkIf config.services.openssh.enable {
        settings.port = lib.mkDefault (
          lib.concatMapStringsSep "," toString config.services.openssh.ports
        );
      };
    };
    services.rban.actions = lib.mkIf cfg.mail.enable { sendmail-common.Init = mail; };
    # Failures are in the log from this level on.
    services.openssh.settings.LogLevel = lib.mkDefault "VERBOSE";

    # The unit is the package's, hardened; here is what NixOS has elsewhere.
    systemd.packages = [ cfg.package ];
    systemd.services.rban = {
      wantedBy = [ "multi-user.target" ];
      # Loaded anew, it has lost our rules.
      partOf = lib.optional config.networking.firewall.enable "firewall.service";
      reloadTriggers = [ configuration ];
      path = [
        cfg.packageFirewall
        pkgs.iproute2
      ]
      ++ cfg.extraPackages;
      inherit environment;
      serviceConfig = {
        LoadCredential = lib.optional (
          cfg.mail.enable && cfg.mail.passwordFile != null
        ) "mail:${toString cfg.mail.passwordFile}";
        ExecStart = [
          ""
          "${lib.getExe cfg.package} server -c /etc/fail2ban --vendor ${vendor} -xf start"
        ];
        ExecReload = [
          ""
          "${lib.getExe cfg.package} client reload"
        ];
      };
    };
    services.logrotate.settings."/var/log/fail2ban/*.log" = {
      frequency = lib.mkDefault "weekly";
      rotate = lib.mkDefault 5;
      missingok = true;
      notifempty = true;
      compress = true;
      delaycompress = true;
      dateext = true;
      create = "0640 root root";
    };
  };
}
