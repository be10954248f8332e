{
  description = "Publish and mirror Helm charts as OCI artifacts, the way a build system builds";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    crane.url = "github:ipetkov/crane/v0.23.4";
  };

  outputs =
    {
      self,
      nixpkgs,
      crane,
    }:
    let
      inherit (nixpkgs) lib;

      # Every output below is a function of the packages of one system.
      perSystem =
        make:
        lib.genAttrs [
          "x86_64-linux"
          "aarch64-linux"
          "aarch64-darwin"
        ] (system: make nixpkgs.legacyPackages.${system});

      # crane, and what all its builds share. Dependencies are built once, for the package, the lints, the documentation and the tests.
      cargo =
        pkgs:
        let
          craneLib = crane.mkLib pkgs;
          common = {
            # What the sources and the tests read, and no more: a change of a workflow builds nothing.
            src = lib.fileset.toSource {
              root = ./.;
              fileset = lib.fileset.unions [
                ./Cargo.toml
                ./Cargo.lock
                ./clippy.toml
                ./rustfmt.toml
                ./chartsync.toml
                ./mirrors
                ./mirrors.lock
                ./README.md
                ./SECURITY.md
                ./renovate.json
                ./ARCHITECTURE.md
                ./benches
                ./charts
                ./docs
                ./examples
                ./schemas
                ./src
                ./tests
              ];
            };
            strictDeps = true;
          };
        in
        {
          inherit craneLib;
          arguments = common // {
            cargoArtifacts = craneLib.buildDepsOnly common;
          };
        };

      chartsync =
        pkgs:
        let
          inherit (cargo pkgs) craneLib arguments;
        in
        craneLib.buildPackage (
          arguments
          // {
            # Tests are a check of their own.
            doCheck = false;
            meta = {
              inherit (self) description;
              license = lib.licenses.asl20;
              mainProgram = "chartsync";
            };
          }
        );

      # What judges charts and workflows, here and in the checks.
      judges = pkgs: [
        pkgs.actionlint
        pkgs.chart-testing
        pkgs.kubeconform
        pkgs.kubernetes-helm
        pkgs.shellcheck
        pkgs.zizmor
      ];
    in
    {
      packages = perSystem (
        pkgs:
        let
          program = chartsync pkgs;
        in
        {
          default = program;
          # `nix build .#image && ./result | docker load`. The program, Git for `plan --base`, and the authorities that sign servers'
          # certificates; on its path no shell and no package manager, and it is not root's.
          image = pkgs.dockerTools.streamLayeredImage {
            name = "chartsync";
            tag = "latest";
            contents = [
              program
              pkgs.cacert
              pkgs.gitMinimal
            ];
            # The folder that is mounted belongs to somebody else, and Git is asked for blobs only.
            extraCommands = ''
              mkdir -m 1777 tmp
              mkdir -m 0777 work
              mkdir -p etc
              printf '[safe]\n\tdirectory = /work\n' >etc/gitconfig
            '';
            config = {
              Entrypoint = [ (lib.getExe program) ];
              User = "65532:65532";
              WorkingDir = "/work";
              Env = [
                "HOME=/tmp"
                "SSL_CERT_FILE=${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt"
              ];
            };
          };
        }
      );

      apps = perSystem (pkgs: {
        default = {
          type = "app";
          program = lib.getExe (chartsync pkgs);
          meta.description = self.description;
        };
      });

      # No network in here: tests that want a registry, a Sigstore or a released tool that is not there leave themselves out, as
      # `tests/run` tells where nothing is left out.
      checks = perSystem (
        pkgs:
        let
          inherit (cargo pkgs) craneLib arguments;
        in
        {
          package = chartsync pkgs;
          clippy = craneLib.cargoClippy (arguments // { cargoClippyExtraArgs = "--all-targets -- --deny warnings"; });
          doc = craneLib.cargoDoc (arguments // { env.RUSTDOCFLAGS = "--deny warnings"; });
          fmt = craneLib.cargoFmt { inherit (arguments) src; };
          test = craneLib.cargoTest (
            arguments
            // {
              nativeCheckInputs = [ pkgs.gitMinimal ];
              preCheck = "export HOME=$TMPDIR CHARTSYNC_TOOLS=$TMPDIR/tools";
            }
          );
          charts = pkgs.runCommand "chartsync-charts" { nativeBuildInputs = judges pkgs; } ''
            helm lint --strict ${./charts}/*
            shellcheck ${./charts}/*/files/*.sh
            touch $out
          '';
          workflows = pkgs.runCommand "chartsync-workflows" { nativeBuildInputs = judges pkgs; } ''
            actionlint ${./.github}/workflows/*.yaml
            zizmor --offline --persona auditor ${./.github}
            touch $out
          '';
        }
      );

      devShells = perSystem (pkgs: {
        default = (cargo pkgs).craneLib.devShell {
          # What the checks build with, and what people judge with.
          checks = { inherit (self.checks.${pkgs.stdenv.hostPlatform.system}) package; };
          packages = judges pkgs ++ [
            pkgs.cosign
            pkgs.crane
            pkgs.git
            pkgs.go
            pkgs.jq
            pkgs.kind
            pkgs.kubectl
            pkgs.oras
            pkgs.python3
            pkgs.rust-analyzer
          ];
        };
      });

      formatter = perSystem (pkgs: pkgs.nixfmt-tree);
    };
}
