{
  description = "rban: bans hosts that misbehave in your logs";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      each = nixpkgs.lib.genAttrs systems;
    in
    {
      packages = each (system: rec {
        rban = nixpkgs.legacyPackages.${system}.callPackage ./nix/package.nix { };
        default = rban;
      });
      overlays.default = final: _previous: { rban = final.callPackage ./nix/package.nix { }; };
      nixosModules.rban =
        { pkgs, lib, ... }:
        {
          imports = [ ./nix/module.nix ];
          services.rban.package = lib.mkDefault self.packages.${pkgs.stdenv.hostPlatform.system}.rban;
        };
      nixosModules.default = self.nixosModules.rban;
      checks = each (system: {
        inherit (self.packages.${system}) rban;
        ssh = import ./nix/test.nix {
          pkgs = nixpkgs.legacyPackages.${system};
          module = self.nixosModules.rban;
        };
      });
    };
}
